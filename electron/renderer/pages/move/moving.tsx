import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { ProgressUpdate } from "../../../../common/progress.ts";
import { formatSeconds } from "../../../../common/quantities.ts";
import { PhaseTimes } from "../../../../common/time-left.ts";
import { Button } from "../../components/button.tsx";
import { ErrorNotice, Notice } from "../../components/notice.tsx";
import { Page } from "../../components/page.tsx";
import { ProgressBar } from "../../components/progress-bar.tsx";
import { useAction } from "../../control/action.ts";
import { call } from "../../control/service.ts";
import { texts } from "../../texts/texts.ts";
import type { Migration } from "./figures.ts";
import { LeftScreen, ReplayScreens } from "./move-screens.tsx";
import { OriginPlot } from "./origin-plot.tsx";
import { canCancel, stageOf, STAGES } from "./stages.ts";

/** The steps with their marks, and how far the present one is. */
function Stages({ migration }: { readonly migration: Migration }): JSX.Element {
  const words = texts.move;
  const { row, progress } = migration;
  const times = useRef(new PhaseTimes());
  const update: ProgressUpdate = (progress as ProgressUpdate | null) ?? { phase: "connect", done: 0, unit: "steps" };
  const leftMs = times.current.note(update, performance.now());
  const stages = STAGES.filter((stage) => stage !== "replay" || row.mode === "replay");
  const present = stages.indexOf(stageOf(row, progress));
  return (
    <section class="panel">
      <ol class="stages" aria-label={words.stagesLabel}>
        {stages.map((stage, i) => (
          <li key={stage} class={i < present ? "over" : i === present ? "present" : "ahead"} aria-current={i === present ? "step" : undefined}>
            {words.stages[stage]}
          </li>
        ))}
      </ol>
      <div class="moving-text">
        <span role="status">{texts.workspaces.phases[update.phase] ?? update.phase}</span>
        <span>{leftMs === undefined || leftMs < 1000 ? "" : texts.shell.timeLeft(formatSeconds(Math.round(leftMs / 1000)))}</span>
      </div>
      <ProgressBar label={texts.workspaces.phases[update.phase] ?? update.phase} done={update.done} total={update.total} />
    </section>
  );
}

/** A move that is under way, on either end. */
export function Moving({ name, migration }: { readonly name: string; readonly migration: Migration }): JSX.Element {
  const words = texts.move;
  const action = useAction();
  const { row, progress, bytes, blocks } = migration;
  const isLeaving = row.role === "source";
  const note = progress?.note === row.peer ? undefined : progress?.note;
  const consequence = !isLeaving ? words.cancelThere(row.peer) : canCancel(row) ? words.cancelUntil : words.tooLate(row.peer);
  return (
    <Page
      title={isLeaving ? words.title(name, row.peer) : words.arrivingTitle(name, row.peer)}
      actions={
        canCancel(row) ? (
          <Button busy={action.busy.value} onClick={() => void action.run(() => call("cancel", { workspace: name }))}>
            {texts.workspaces.cancelMove}
          </Button>
        ) : undefined
      }
    >
      <p class="muted">{consequence}</p>
      {note === undefined ? null : <Notice kind="warning">{note}</Notice>}
      <ErrorNotice error={action.error.value} onDismiss={action.dismiss} />
      <Stages migration={migration} />
      <div class="move-parts">
        <OriginPlot id={row.id} bytes={bytes} blocks={blocks} />
        {isLeaving ? <LeftScreen workspace={name} migration={migration} /> : row.mode === "replay" ? <ReplayScreens workspace={name} /> : null}
      </div>
    </Page>
  );
}
