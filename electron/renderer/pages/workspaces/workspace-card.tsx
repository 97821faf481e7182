import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useId } from "preact/hooks";
import type { ServiceStatus, WorkspaceStatus } from "../../../../protocol/control.ts";
import { Button } from "../../components/button.tsx";
import { Icon } from "../../components/icon.tsx";
import { ErrorNotice, Notice } from "../../components/notice.tsx";
import { useAction, type Action } from "../../control/action.ts";
import { call, serviceState } from "../../control/service.ts";
import { hrefOf } from "../../router.ts";
import { texts } from "../../texts/texts.ts";
import { CostNow } from "./cost-now.tsx";
import { DeleteDialog } from "./delete-dialog.tsx";
import { busyText, factsText, movingText, placeText, stateText } from "./describe.ts";
import { LayingDown } from "./laying-down.tsx";
import { MigrateButton } from "./migrate-button.tsx";
import { MoveProgress } from "./move-progress.tsx";
import { PowerOffDialog } from "./power-off-dialog.tsx";
import { RecordingLight } from "./recording-light.tsx";
import { Thumbnail } from "./thumbnail.tsx";
import { destinations } from "./usual-host.ts";
import { WorkspaceMenu } from "./workspace-menu.tsx";

interface ActionsProps {
  readonly workspace: WorkspaceStatus;
  readonly service: ServiceStatus;
  readonly action: Action;
}

function canBeMoved({ owner, base, state }: WorkspaceStatus): boolean {
  return owner === "here" && base !== null && (state === "running" || state === "suspended");
}

/** What one does with a workspace in the state that it is in. */
function Actions({ workspace, service, action }: ActionsProps): JSX.Element | null {
  const words = texts.workspaces;
  const { name, owner, state, base } = workspace;
  if (owner !== "here") return null;
  const busy = action.busy.value;
  const disabled = serviceState.value !== "connected";
  const act = (method: "start" | "suspend" | "seal"): void => void action.run(() => call(method, { workspace: name }));
  const startText = state === "suspended" ? words.resume : words.start;
  const canMigrate = canBeMoved(workspace);
  return (
    <>
      {canMigrate ? <MigrateButton workspace={workspace} service={service} action={action} /> : null}
      {state === "running" && base === null ? (
        <Button look="primary" label={`${words.seal}: ${name}`} title={words.sealExplained} busy={busy} onClick={() => { act("seal"); }}>
          {words.seal}
        </Button>
      ) : null}
      {workspace.console === null ? null : (
        <a class="button" href={hrefOf("console", name)} aria-label={texts.console.openLabel(name)}>
          <Icon name="screen" />
          {texts.console.open}
        </a>
      )}
      {state === "off" || state === "suspended" ? (
        <Button
          look={canMigrate ? "normal" : "primary"}
          icon="play"
          label={`${startText}: ${name}`}
          busy={busy}
          disabled={disabled}
          onClick={() => {
            act("start");
          }}
        >
          {startText}
        </Button>
      ) : null}
      {state === "busy" ? (
        <span class="busy-now" role="status">
          <span class="spinner" aria-hidden="true" />
          {busyText(workspace)}
        </span>
      ) : null}
      {state === "running" ? (
        <Button icon="pause" label={`${words.suspend}: ${name}`} busy={busy} disabled={disabled} onClick={() => { act("suspend"); }}>
          {words.suspend}
        </Button>
      ) : null}
    </>
  );
}

/** A workspace: its screen, how it is, and what one can do with it. */
export function WorkspaceCard({ workspace, service }: { readonly workspace: WorkspaceStatus; readonly service: ServiceStatus }): JSX.Element {
  const { name, state, migration, note } = workspace;
  const action = useAction();
  const dialog = useSignal<"delete" | "power off" | null>(null);
  const closeDialog = (): void => {
    dialog.value = null;
  };
  const titleId = useId();
  const [usual] = destinations(workspace, service);
  return (
    <article class="card" aria-labelledby={titleId}>
      <Thumbnail workspace={workspace} />
      <div class="card-body">
        <div class="card-head">
          <h2 id={titleId}>{name}</h2>
          <span class={`badge ${state}`}>{stateText(workspace)}</span>
          <RecordingLight workspace={workspace} />
          <WorkspaceMenu
            workspace={workspace}
            service={service}
            action={action}
            onDelete={() => {
              dialog.value = "delete";
            }}
            onPowerOff={() => {
              dialog.value = "power off";
            }}
          />
        </div>
        <p class="place">
          {placeText(workspace, service.host)} <span class="muted">· {factsText(workspace)}</span>
        </p>
        <ul class="card-facts">
          {movingText(workspace, service.host).map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
        {usual === undefined || migration !== null || !canBeMoved(workspace) ? null : <CostNow key={usual} workspace={name} peer={usual} />}
        {note === null ? null : <Notice kind="warning">{note}</Notice>}
        <ErrorNotice error={action.error.value} onDismiss={action.dismiss} />
        <LayingDown workspace={workspace} />
        {migration === null ? (
          <div class="card-actions">
            <Actions workspace={workspace} service={service} action={action} />
          </div>
        ) : (
          <MoveProgress name={name} migration={migration} action={action} />
        )}
      </div>
      {dialog.value === "delete" ? <DeleteDialog workspace={workspace} onClose={closeDialog} /> : null}
      {dialog.value === "power off" ? <PowerOffDialog name={name} onClose={closeDialog} /> : null}
    </article>
  );
}
