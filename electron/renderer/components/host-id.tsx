import type { JSX } from "preact";
import { texts } from "../texts/texts.ts";
import { CopyButton } from "./copy-button.tsx";

const GROUPS_A_LINE = 2;

/** A host's ID, large, to be compared or read out: a line for each part that ends with a check character. */
export function HostId({ id, of }: { readonly id: string; readonly of: string }): JSX.Element {
  const groups = id.split("-");
  const lines = groups.filter((_, i) => i % GROUPS_A_LINE === 0).map((_, i) => groups.slice(i * GROUPS_A_LINE, (i + 1) * GROUPS_A_LINE));
  return (
    <div class="host-id">
      <code aria-label={texts.hosts.idOf(of)}>
        {lines.map((line, i) => {
          const text = line.join("-");
          return (
            <span key={i}>
              {text.slice(0, -1)}
              <b title={texts.hosts.checkCharacter}>{text.slice(-1)}</b>
              {i < lines.length - 1 ? <i>-</i> : null}
            </span>
          );
        })}
      </code>
      <CopyButton text={() => id} label={texts.hosts.copyId(of)} />
    </div>
  );
}
