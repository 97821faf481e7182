import type { JSX } from "preact";
import type { ServiceStatus, WorkspaceStatus } from "../../../../protocol/control.ts";
import { Menu, type MenuItem } from "../../components/menu.tsx";
import type { Action } from "../../control/action.ts";
import { call } from "../../control/service.ts";
import { texts } from "../../texts/texts.ts";
import { isBeingLaidDown, layDown } from "./lay-down.ts";
import { lackingHosts } from "./usual-host.ts";

export interface WorkspaceMenuProps {
  readonly workspace: WorkspaceStatus;
  readonly service: ServiceStatus;
  readonly action: Action;
  readonly onDelete: () => void;
  readonly onPowerOff: () => void;
}

/** What one does rarely with a workspace. */
export function WorkspaceMenu({ workspace, service, action, onDelete, onPowerOff }: WorkspaceMenuProps): JSX.Element {
  const words = texts.workspaces;
  const { name, owner, state, base, recordingPaused } = workspace;
  const isRunning = owner === "here" && state === "running";
  const power = (kind: "reset" | "powerdown"): void => void action.run(() => call("power", { workspace: name, action: kind }));
  const record = (what: "pause" | "resume"): void => void action.run(() => call("record", { workspace: name, action: what }));
  const recording: MenuItem = recordingPaused
    ? { text: words.resumeRecording, icon: "eyeOff", onChoose: () => { record("resume"); } }
    : { text: words.pauseRecording, icon: "eyeOff", onChoose: () => { record("pause"); } };
  const running: readonly MenuItem[] = [
    { text: words.powerDown, icon: "power", onChoose: () => { power("powerdown"); } },
    { text: words.reset, icon: "history", onChoose: () => { power("reset"); } },
    { text: words.powerOff, icon: "power", danger: true, onChoose: onPowerOff },
  ];
  const canDelete = state === "off" || state === "suspended" || state === "away";
  const layable = isBeingLaidDown(workspace) ? [] : lackingHosts(workspace, service);
  const items: readonly MenuItem[] = [
    ...(isRunning && base !== null ? [recording] : []),
    ...layable.map((host) => ({
      text: texts.layDown.on(host),
      detail: base === null ? texts.layDown.sealsFirst : texts.layDown.explained,
      icon: "hosts" as const,
      onChoose: () => { layDown(workspace, host); },
    })),
    ...(isRunning ? running : []),
    ...(canDelete ? [{ text: words.delete, icon: "close", danger: true, onChoose: onDelete } as const] : []),
  ];
  return <Menu label={words.more(name)} icon="more" buttonClass="quiet" items={items} disabled={items.length === 0} />;
}
