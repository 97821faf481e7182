import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId } from "preact/hooks";
import { formatBytes, formatSeconds } from "../../../../common/quantities.ts";
import type { MigrationSummary } from "../../../../protocol/control.ts";
import type { MigrationReport } from "../../../../protocol/report.ts";
import { Bars } from "../../components/bars.tsx";
import { Button } from "../../components/button.tsx";
import { CopyButton } from "../../components/copy-button.tsx";
import { Facts } from "../../components/facts.tsx";
import { ErrorNotice, Notice } from "../../components/notice.tsx";
import { Page } from "../../components/page.tsx";
import { useAction } from "../../control/action.ts";
import { call, serviceState, status } from "../../control/service.ts";
import { hrefOf } from "../../router.ts";
import { ago, texts } from "../../texts/texts.ts";
import type { PageParameters } from "../pages.ts";
import { byteBars, choiceFacts, choiceSentences, originBars, outcomeOf, outcomeText, phaseBars, reasonOf, replaySentences, savedText } from "./describe-report.ts";
import { ExplainedPanel } from "./explained-panel.tsx";
import { ReplayLine } from "./replay-line.tsx";
import { saveText } from "./save-text.ts";

const words = texts.history;

function Panel({ title, children }: { readonly title: string; readonly children: ComponentChildren }): JSX.Element {
  const id = useId();
  return (
    <section class="panel" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {children}
    </section>
  );
}

/** What counts, in large figures. */
function Figures({ report }: { readonly report: MigrationReport }): JSX.Element {
  const { bytes, phases, checkpoints } = report;
  const figures = [
    { name: words.sent, value: formatBytes(bytes.total) },
    { name: words.took, value: formatSeconds(phases.click_to_usable_s) },
    ...(report.replay === null ? [] : [{ name: words.checkpointsMatched, value: words.checkpointsOf(checkpoints.matched, checkpoints.total) }]),
  ];
  return (
    <dl class="figures">
      {figures.map(({ name, value }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Report({ report }: { readonly report: MigrationReport }): JSX.Element {
  const { bytes, phases, notes, verified, hold, finished_at: finished } = report;
  return (
    <>
      <Panel title={words.savedTitle}>
        <Figures report={report} />
        <p>{savedText(report)}</p>
        <p class={verified ? "good" : "bad"}>{verified ? words.verified : words.notVerified}</p>
        <p class="muted">
          {words.finished(ago(finished))}
          {hold ? ` · ${words.held}` : ""}
        </p>
      </Panel>
      {report.choice === null ? null : (
        <Panel title={words.choiceTitle}>
          {choiceSentences(report.choice).map((sentence) => (
            <p key={sentence}>{sentence}</p>
          ))}
          <Facts facts={choiceFacts(report.choice, report)} />
        </Panel>
      )}
      <Panel title={words.replayTitle}>
        {replaySentences(report).map((sentence) => (
          <p key={sentence}>{sentence}</p>
        ))}
        {report.replay === null ? null : <ReplayLine path={report.replay.path} />}
      </Panel>
      <div class="panel-pair">
        <Panel title={words.bytesTitle}>
          <Bars
            caption={words.bytesCaption}
            columns={{ name: words.kind, value: words.amount }}
            bars={byteBars(report)}
            format={formatBytes}
            total={{ name: words.total, value: bytes.total }}
          />
        </Panel>
        <Panel title={words.originsTitle}>
          <Bars caption={words.originsCaption} columns={{ name: words.origin, value: words.amount }} bars={originBars(report)} format={formatBytes} />
        </Panel>
      </div>
      <Panel title={words.phasesTitle}>
        <Bars
          caption={words.phasesCaption}
          columns={{ name: words.phase, value: words.time }}
          bars={phaseBars(report)}
          format={formatSeconds}
          total={{ name: words.clickToUsable, value: phases.click_to_usable_s }}
        />
      </Panel>
      {notes.length === 0 ? null : (
        <Panel title={words.notes}>
          {notes.map((note) => (
            <p key={note}>{note}</p>
          ))}
        </Panel>
      )}
    </>
  );
}

/** A move that did not come to its end, or has not yet. */
function WithoutReport({ move }: { readonly move: MigrationSummary }): JSX.Element {
  const { role, peer, startedAt, id } = move;
  const reason = reasonOf(move);
  const hasFailed = outcomeOf(move) === "failed";
  return (
    <>
      <Notice kind={hasFailed ? "warning" : "info"}>
        <p>{hasFailed ? words.noReport : words.noReportUnderWay}</p>
        {hasFailed ? <p>{words.unchanged}</p> : null}
      </Notice>
      <section class="panel">
        <Facts
          facts={[
            { name: words.columns.outcome, values: [outcomeText(move)] },
            ...(reason === null ? [] : [{ name: words.reason, values: [reason] }]),
            { name: words.way, values: [role === "source" ? words.to(peer) : words.from(peer)] },
            { name: words.started, values: [new Date(startedAt).toLocaleString()] },
            { name: words.id, values: [id] },
          ]}
        />
      </section>
    </>
  );
}

interface Found {
  readonly move: MigrationSummary | null;
  readonly report: MigrationReport | null;
}

function titleOf({ move, report }: Found): string {
  const here = status.value?.host ?? "";
  if (report !== null) return words.moveTitle(report.workspace, report.from, report.to);
  if (move === null) return words.noSuchMove;
  return move.role === "source" ? words.moveTitle(move.workspace, here, move.peer) : words.moveTitle(move.workspace, move.peer, here);
}

/** One move: how it went, what it cost, what was saved. */
export function ReportPage({ parameters: [id = ""] }: PageParameters): JSX.Element {
  const found = useSignal<Found | null>(null);
  const action = useAction();
  const isConnected = serviceState.value === "connected";
  useEffect(() => {
    if (isConnected)
      void action.run(async () => {
        const { migrations, report } = await call("report", { id });
        found.value = { move: migrations.find((move) => move.id === id) ?? null, report };
      });
  }, [isConnected]);
  const it = found.value;
  const json = (): string => `${JSON.stringify(it?.report ?? it?.move, null, 2)}\n`;
  return (
    <Page
      title={it === null ? words.title : titleOf(it)}
      actions={
        it === null || (it.report === null && it.move === null) ? null : (
          <div class="page-actions">
            <CopyButton text={json}>{words.copy}</CopyButton>
            <Button onClick={() => { saveText(`homeward-${id}.json`, "application/json", json()); }}>{words.save}</Button>
          </div>
        )
      }
    >
      <p>
        <a href={hrefOf("history")}>← {words.all}</a>
      </p>
      <ErrorNotice error={action.error.value} onDismiss={action.dismiss} />
      {it === null ? null : it.report !== null ? (
        <>
          <Report report={it.report} />
          {it.move?.role === "source" && it.report.blocks.shipped > 0 ? <ExplainedPanel id={id} /> : null}
        </>
      ) : it.move !== null ? <WithoutReport move={it.move} /> : null}
    </Page>
  );
}
