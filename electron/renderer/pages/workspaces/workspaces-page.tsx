import type { JSX } from "preact";
import { EmptyState } from "../../components/empty-state.tsx";
import { Icon } from "../../components/icon.tsx";
import { Page } from "../../components/page.tsx";
import { status } from "../../control/service.ts";
import { hrefOf } from "../../router.ts";
import { texts } from "../../texts/texts.ts";
import { Guide, isGuided } from "../first-run/guide.tsx";
import { WorkspaceCard } from "./workspace-card.tsx";

function NoWorkspaces(): JSX.Element {
  const words = texts.workspaces;
  return (
    <EmptyState icon="workspaces" title={words.emptyTitle}>
      <p>{words.emptyText}</p>
      <a class="button primary" href={hrefOf("new")}>
        {words.emptyButton}
      </a>
    </EmptyState>
  );
}

/** Every workspace of this host. */
export function WorkspacesPage(): JSX.Element {
  const service = status.value;
  return (
    <Page
      title={texts.workspaces.title}
      actions={
        service === null || service.workspaces.length === 0 ? null : (
          <a class="button" href={hrefOf("new")}>
            <Icon name="plus" />
            {texts.create.open}
          </a>
        )
      }
    >
      {service === null ? null : <Guide service={service} />}
      {service === null ? (
        <p class="muted">{texts.shell.loading}</p>
      ) : service.workspaces.length === 0 ? (
        isGuided(service) ? null : <NoWorkspaces />
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
