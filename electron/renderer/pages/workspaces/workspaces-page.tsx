import type { JSX } from "preact";
import { CommandLine } from "../../components/command-line.tsx";
import { EmptyState } from "../../components/empty-state.tsx";
import { Page } from "../../components/page.tsx";
import { status } from "../../control/service.ts";
import { texts } from "../../texts/texts.ts";
import { WorkspaceCard } from "./workspace-card.tsx";

function NoWorkspaces(): JSX.Element {
  const words = texts.workspaces;
  return (
    <EmptyState icon="workspaces" title={words.emptyTitle}>
      <p>{words.emptyText}</p>
      <p>{words.emptyImport}</p>
      <CommandLine command="homeward import work IMAGE" />
      <p>{words.emptyCreate}</p>
      <CommandLine command="homeward create work --guest desktop" />
    </EmptyState>
  );
}

/** Every workspace of this host. */
export function WorkspacesPage(): JSX.Element {
  const service = status.value;
  return (
    <Page title={texts.workspaces.title}>
      {service === null ? (
        <p class="muted">{texts.shell.loading}</p>
      ) : service.workspaces.length === 0 ? (
        <NoWorkspaces />
      ) : (
        <div class="cards">
          {service.workspaces.map((workspace) => (
            <WorkspaceCard key={workspace.name} workspace={workspace} service={service} />
          ))}
        </div>
      )}
    </Page>
  );
}
