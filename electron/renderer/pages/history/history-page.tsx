import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { formatBytes, formatSeconds } from "../../../../common/quantities.ts";
import type { MigrationSummary } from "../../../../protocol/control.ts";
import { EmptyState } from "../../components/empty-state.tsx";
import { ErrorNotice } from "../../components/notice.tsx";
import { Page } from "../../components/page.tsx";
import { useAction } from "../../control/action.ts";
import { call, serviceState } from "../../control/service.ts";
import { hrefOf } from "../../router.ts";
import { ago, texts } from "../../texts/texts.ts";
import { outcomeOf, outcomeText, reasonOf } from "./describe-report.ts";

function Row({ move }: { readonly move: MigrationSummary }): JSX.Element {
  const words = texts.history;
  const { id, role, peer, bytes, seconds, startedAt, workspace, state } = move;
  const reason = reasonOf(move);
  const way = role === "source" ? words.to(peer) : words.from(peer);
  const outcome = outcomeOf(move);
  return (
    <tr>
      <td>
        <a href={hrefOf("history", id)} aria-label={words.reportOf(workspace, way, ago(startedAt))}>
          <time dateTime={startedAt} title={new Date(startedAt).toLocaleString()}>
            {ago(startedAt)}
          </time>
        </a>
      </td>
      <td>{workspace}</td>
      <td>{way}</td>
      <td>
        <span class={`badge ${outcome === "arrived" ? "running" : state === "cancelled" ? "off" : outcome === "failed" ? "failed" : "busy"}`}>{outcomeText(move)}</span>
        {reason === null ? null : <small class="reason">{reason}</small>}
      </td>
      <td class="number">{bytes === null ? "–" : formatBytes(bytes)}</td>
      <td class="number">{seconds === null ? "–" : formatSeconds(seconds)}</td>
    </tr>
  );
}

/** Moves of workspaces that this host took part in, newest first. */
export function HistoryPage(): JSX.Element {
  const words = texts.history;
  const moves = useSignal<readonly MigrationSummary[] | null>(null);
  const action = useAction();
  const isConnected = serviceState.value === "connected";
  useEffect(() => {
    if (isConnected)
      void action.run(async () => {
        const { migrations } = await call("report", {});
        moves.value = migrations.filter(({ kind }) => kind === "migration");
      });
  }, [isConnected]);
  return (
    <Page title={words.title}>
      <ErrorNotice error={action.error.value} onDismiss={action.dismiss} />
      {moves.value === null ? null : moves.value.length === 0 ? (
        <EmptyState icon="history" title={words.emptyTitle}>
          <p>{words.emptyText}</p>
          <a class="button primary" href={hrefOf()}>
            {words.toWorkspaces}
          </a>
        </EmptyState>
      ) : (
        <table class="table">
          <thead>
            <tr>
              <th scope="col">{words.columns.when}</th>
              <th scope="col">{words.columns.workspace}</th>
              <th scope="col">{words.columns.way}</th>
              <th scope="col">{words.columns.outcome}</th>
              <th scope="col" class="number">{words.columns.sent}</th>
              <th scope="col" class="number">{words.columns.took}</th>
            </tr>
          </thead>
          <tbody>
            {moves.value.map((move) => (
              <Row key={move.id} move={move} />
            ))}
          </tbody>
        </table>
      )}
    </Page>
  );
}
