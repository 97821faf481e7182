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
import { ago, texts } from "../../texts/texts.ts";

function Row({ move }: { readonly move: MigrationSummary }): JSX.Element {
  const words = texts.history;
  const { role, peer, state, bytes, seconds, startedAt, workspace } = move;
  return (
    <tr>
      <td>
        <time dateTime={startedAt} title={new Date(startedAt).toLocaleString()}>
          {ago(startedAt)}
        </time>
      </td>
      <td>{workspace}</td>
      <td>{role === "source" ? words.to(peer) : words.from(peer)}</td>
      <td>{words.outcome[state] ?? state}</td>
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
