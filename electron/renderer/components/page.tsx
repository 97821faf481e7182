import type { ComponentChildren, JSX } from "preact";
import { useEffect } from "preact/hooks";
import { texts } from "../texts/texts.ts";

export interface PageProps {
  readonly title: string;
  /** Beside the title. */
  readonly actions?: ComponentChildren;
  readonly children: ComponentChildren;
}

/** What every page begins with: its one heading, which is also the window's title. */
export function Page({ title, actions, children }: PageProps): JSX.Element {
  useEffect(() => {
    document.title = `${title} – ${texts.shell.appName}`;
  }, [title]);
  return (
    <>
      <header class="page-header">
        <h1>{title}</h1>
        {actions}
      </header>
      {children}
    </>
  );
}
