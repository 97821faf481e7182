import type { ComponentChildren, JSX } from "preact";
import { Icon, type IconName } from "./icon.tsx";

/** A page that has nothing to show yet: what it is for, and what to do. */
export function EmptyState(props: { readonly icon: IconName; readonly title: string; readonly children: ComponentChildren }): JSX.Element {
  return (
    <section class="empty">
      <div class="empty-icon">
        <Icon name={props.icon} />
      </div>
      <h2>{props.title}</h2>
      {props.children}
    </section>
  );
}
