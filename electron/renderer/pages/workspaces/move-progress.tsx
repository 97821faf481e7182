import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { ProgressUpdate } from "../../../../common/progress.ts";
import { PhaseTimes } from "../../../../common/time-left.ts";
import type { WorkspaceStatus } from "../../../../protocol/control.ts";
import { Button } from "../../components/button.tsx";
import { ProgressBar } from "../../components/progress-bar.tsx";
import type { Action } from "../../control/action.ts";
import { call } from "../../control/service.ts";
import { hrefOf } from "../../router.ts";
import { texts } from "../../texts/texts.ts";
import { stepText } from "./step-text.ts";

type Migration = NonNullable<WorkspaceStatus["migration"]>;

/** How far a move is, on either end, and its end at any moment. */
export function MoveProgress(props: { readonly name: string; readonly migration: Migration; readonly action: Action }): JSX.Element {
  const words = texts.workspaces;
  const { name, action } = props;
  const { row, progress } = props.migration;
  const times = useRef(new PhaseTimes());
  const isLeaving = row.role === "source";
  const title = isLeaving ? words.moving(row.peer) : words.arriving(row.peer);
  const update: ProgressUpdate = (progress as ProgressUpdate | null) ?? { phase: "connect", done: 0, unit: "steps" };
  const leftMs = times.current.note(update, performance.now());
  return (
    <div class="moving">
      <div class="moving-text">
        <strong>{title}</strong>
        <span>{stepText(update, leftMs)}</span>
      </div>
      <ProgressBar label={title} done={update.done} total={update.total} />
      {row.error === null ? null : <p class="muted">{row.error}</p>}
      <div class="moving-actions">
        <a class="button" href={hrefOf("move", name)}>{texts.move.details}</a>
        {isLeaving ? (
        <Button title={words.cancelMoveExplained} onClick={() => void action.run(() => call("cancel", { workspace: name }))}>
          {words.cancelMove}
        </Button>
      ) : null}
      </div>
    </div>
  );
}
