import type { JSX } from "preact";
import type { ReplayOutcome } from "../../../../protocol/report.ts";
import { texts } from "../../texts/texts.ts";
import { stepsOnPath, stretchText } from "./describe-report.ts";

/** Where the replay kept to the recording, left it and came back: a line of time, and the same as a table. */
export function ReplayLine({ path }: { readonly path: ReplayOutcome["path"] }): JSX.Element | null {
  const words = texts.history;
  const last = path.at(-1);
  if (last === undefined) return null;
  const end = last.to_step + 1;
  const { same, left } = stepsOnPath(path);
  return (
    <>
      <svg class="replay-line" viewBox="0 0 1000 24" preserveAspectRatio="none" role="img" aria-label={words.timelineLabel(same, left)}>
        {path.map(({ kind, from_step, to_step }) => (
          <rect
            key={from_step}
            class={`path-${kind}`}
            x={(1000 * from_step) / end}
            y={kind === "left" ? 0 : 6}
            width={Math.max(2, (1000 * (to_step + 1 - from_step)) / end)}
            height={kind === "left" ? 24 : 12}
          />
        ))}
      </svg>
      <table class="table">
        <caption class="only-read">{words.timeline}</caption>
        <thead>
          <tr>
            <th scope="col">{words.pathColumns.steps}</th>
            <th scope="col">{words.pathColumns.path}</th>
            <th scope="col">{words.pathColumns.text}</th>
          </tr>
        </thead>
        <tbody>
          {path.map((stretch) => (
            <tr key={stretch.from_step}>
              <td>{words.steps(stretch.from_step, stretch.to_step)}</td>
              <td>
                <span class={`path-key path-${stretch.kind}`}>{words.path[stretch.kind]}</span>
              </td>
              <td>{stretchText(stretch)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
