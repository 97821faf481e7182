import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { MigrationRow } from "../../../../protocol/control.ts";
import type { MigrationReport } from "../../../../protocol/report.ts";
import { EmptyState } from "../../components/empty-state.tsx";
import { ErrorNotice } from "../../components/notice.tsx";
import { Page } from "../../components/page.tsx";
import { useAction } from "../../control/action.ts";
import { call, serviceState, status } from "../../control/service.ts";
import { hrefOf } from "../../router.ts";
import { texts } from "../../texts/texts.ts";
import type { PageParameters } from "../pages.ts";
import { Moving } from "./moving.tsx";
import { Outcome } from "./outcome.tsx";

interface Last {
  readonly row: MigrationRow;
  readonly report: MigrationReport | null;
}

/** The newest move of a workspace; null if it never moved. */
async function lastMove(workspace: string): Promise<Last | null> {
  const { migrations } = await call("report", {});
  const row = migrations.find((each) => each.workspace === workspace && each.kind === "migration");
  if (row === undefined) return null;
  return { row, report: row.bytes === null ? null : (await call("report", { id: row.id })).report };
}

/** How a workspace moves, on either host, and what came of it. */
export function MovePage({ parameters: [name = ""] }: PageParameters): JSX.Element {
  const words = texts.move;
  const workspace = status.value?.workspaces.find((each) => each.name === name);
  const migration = workspace?.migration ?? null;
  const action = useAction();
  const last = useSignal<Last | "none" | null>(null);
  const isOver = serviceState.value === "connected" && workspace !== undefined && migration === null;
  useEffect(() => {
    last.value = null;
    if (isOver)
      void action.run(async () => {
        last.value = (await lastMove(name)) ?? "none";
      });
  }, [isOver, name]);
  if (workspace !== undefined && migration !== null) return <Moving key={migration.row.id} name={name} migration={migration} />;
  if (workspace !== undefined && last.value !== null && last.value !== "none") return <Outcome workspace={workspace} {...last.value} />;
  return (
    <Page title={words.pageTitle(name)}>
      <ErrorNotice error={action.error.value} onDismiss={action.dismiss} />
      {last.value === "none" || (status.value !== null && workspace === undefined) ? (
        <EmptyState icon="home" title={words.nothing(name)}>
          <p>{words.nothingText}</p>
          <a href={hrefOf()}>{words.toWorkspaces}</a>
        </EmptyState>
      ) : (
        <p class="muted">{texts.shell.loading}</p>
      )}
    </Page>
  );
}
