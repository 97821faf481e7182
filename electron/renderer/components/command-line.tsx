import type { JSX } from "preact";
import { CopyButton } from "./copy-button.tsx";

/** Something to type into a terminal, with a button that copies it. */
export function CommandLine({ command }: { readonly command: string }): JSX.Element {
  return (
    <div class="command">
      <code>{command}</code>
      <CopyButton text={() => command} />
    </div>
  );
}
