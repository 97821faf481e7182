import type { JSX } from "preact";
import { Icon } from "./icon.tsx";

/** What is done one after the other, and where one is. `current` is past the end when all is done. */
export function Steps({ names, current }: { readonly names: readonly string[]; readonly current: number }): JSX.Element {
  return (
    <ol class="steps">
      {names.map((name, i) => (
        <li key={name} class={i < current ? "done" : undefined} aria-current={i === current ? "step" : undefined}>
          {i < current ? <Icon name="check" /> : null}
          {name}
        </li>
      ))}
    </ol>
  );
}
