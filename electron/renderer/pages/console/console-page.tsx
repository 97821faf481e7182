import type { JSX } from "preact";
import type { WorkspaceStatus } from "../../../../protocol/control.ts";
import { Button } from "../../components/button.tsx";
import { EmptyState } from "../../components/empty-state.tsx";
import { ErrorNotice } from "../../components/notice.tsx";
import { Page } from "../../components/page.tsx";
import { useAction, type Action } from "../../control/action.ts";
import { call, serviceState, status } from "../../control/service.ts";
import { hrefOf } from "../../router.ts";
import { texts } from "../../texts/texts.ts";
import type { PageParameters } from "../pages.ts";
import { LiveConsole } from "./live-console.tsx";

/** Why there is no screen, and what to do. */
function NoScreen({ workspace, action }: { readonly workspace: WorkspaceStatus; readonly action: Action }): JSX.Element {
  const words = texts.console;
  const { name, owner, state, migration } = workspace;
  if (migration !== null)
    return (
      <EmptyState icon="home" title={words.moving(name)}>
        <a class="button primary" href={hrefOf("move", name)}>
          {words.seeMove}
        </a>
      </EmptyState>
    );
  if (owner !== "here")
    return (
      <EmptyState icon="screen" title={words.onHost(name, owner)}>
        <p>{texts.workspaces.bringHere(owner, status.value?.host ?? "")}</p>
      </EmptyState>
    );
  const isAtRest = state === "off" || state === "suspended";
  return (
    <EmptyState icon={state === "suspended" ? "moon" : "screen"} title={isAtRest ? words.notRunning(name, words.notHere[state]) : words.connecting}>
      {isAtRest ? (
        <Button
          look="primary"
          icon="play"
          busy={action.busy.value}
          disabled={serviceState.value !== "connected"}
          onClick={() => void action.run(() => call("start", { workspace: name }))}
        >
          {state === "off" ? texts.workspaces.start : texts.workspaces.resume}
        </Button>
      ) : null}
    </EmptyState>
  );
}

/** A workspace's screen, keyboard and mouse. */
export function ConsolePage({ parameters: [name = ""] }: PageParameters): JSX.Element {
  const words = texts.console;
  const action = useAction();
  const service = status.value;
  const workspace = service?.workspaces.find((each) => each.name === name);
  if (service === null)
    return (
      <Page title={words.title(name)}>
        <p class="muted">{texts.shell.loading}</p>
      </Page>
    );
  if (workspace === undefined)
    return (
      <Page title={words.title(name)}>
        <EmptyState icon="screen" title={words.missing(name)}>
          <a href={hrefOf()}>{texts.shell.backToWorkspaces}</a>
        </EmptyState>
      </Page>
    );
  if (workspace.owner === "here" && workspace.console !== null && workspace.migration === null)
    return <LiveConsole workspace={workspace} service={service} action={action} />;
  return (
    <Page title={words.title(name)}>
      <ErrorNotice error={action.error.value} onDismiss={action.dismiss} />
      <NoScreen workspace={workspace} action={action} />
    </Page>
  );
}
