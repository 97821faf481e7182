import type { JSX } from "preact";
import { formatBytes, formatSeconds } from "../../../../common/quantities.ts";
import type { MigrationRow, WorkspaceStatus } from "../../../../protocol/control.ts";
import type { MigrationReport } from "../../../../protocol/report.ts";
import { Icon } from "../../components/icon.tsx";
import { Notice } from "../../components/notice.tsx";
import { Page } from "../../components/page.tsx";
import { hrefOf } from "../../router.ts";
import { texts } from "../../texts/texts.ts";
import { reasonOf } from "../history/describe-report.ts";
import { Thumbnail } from "../workspaces/thumbnail.tsx";
import { originsOf } from "./figures.ts";
import { OriginPlot } from "./origin-plot.tsx";

const BLOCK_BYTES = 4096;

export interface OutcomeProps {
  readonly workspace: WorkspaceStatus;
  readonly row: MigrationRow;
  readonly report: MigrationReport | null;
}

/** What came of a move: what it saved, or why it ended. */
export function Outcome({ workspace, row, report }: OutcomeProps): JSX.Element {
  const words = texts.move;
  const { name } = workspace;
  const isLeaving = row.role === "source";
  const reason = reasonOf(row);
  if (row.state !== "done")
    return (
      <Page title={words.cancelled}>
        <Notice kind="info">
          {reason === null ? null : <p>{reason}</p>}
          <p>{words.stopped(name)}</p>
        </Notice>
        <p>
          <a href={hrefOf()}>{texts.shell.backToWorkspaces}</a>
        </p>
      </Page>
    );
  return (
    <Page title={isLeaving ? words.arrived(name, row.peer) : words.arrivedHere(name)}>
      {report === null ? <p class="muted">{words.notProved}</p> : <Saved report={report} memoryBytes={workspace.memoryBytes} />}
      <div class="move-parts">
        {report === null ? null : <OriginPlot id={row.id} bytes={report.bytes} blocks={report.blocks} />}
        {workspace.console === null || workspace.owner !== "here" ? null : (
          <section class="panel">
            <Thumbnail workspace={workspace} />
            <a class="button primary" href={hrefOf("console", name)}>
              <Icon name="screen" />
              {words.openConsole}
            </a>
          </section>
        )}
      </div>
      <p>
        <a href={hrefOf()}>{words.toWorkspaces}</a>
      </p>
    </Page>
  );
}

function Saved({ report, memoryBytes }: { readonly report: MigrationReport; readonly memoryBytes: number }): JSX.Element {
  const words = texts.move;
  const { bytes, blocks, phases } = report;
  const disk = blocks.disk_dirty * BLOCK_BYTES;
  const { home, replayed, sent } = originsOf(report);
  return (
    <section class="panel saved">
      <p class="saved-main">
        <Icon name="check" />
        {words.saved(formatBytes(bytes.total), formatBytes(memoryBytes + disk))}
      </p>
      <p class="muted">{words.savedHow(formatBytes(memoryBytes), disk === 0 ? null : formatBytes(disk))}</p>
      <ul>
        <li>{words.originLabel(formatBytes(home), formatBytes(replayed), formatBytes(sent))}</li>
        <li>{words.took(formatSeconds(phases.click_to_usable_s))}</li>
        {report.choice === null ? null : <li>{words.chosen(report.choice.why)}</li>}
        {report.verified ? <li>{words.proved}</li> : null}
        {report.notes.map((note) => (
          <li key={note}>{note}</li>
        ))}
      </ul>
    </section>
  );
}
