import type { MenuItemConstructorOptions } from "electron";
import type { ServiceStatus } from "../../protocol/control.ts";
import { texts } from "./texts.ts";

/** What the tray's menu says about the service, top to bottom; null when none runs. */
export function trayLines(status: ServiceStatus | null): string[] {
  if (status === null) return [texts.noService];
  const here = status.workspaces.filter(({ owner, state }) => owner === "here" && state === "running");
  const moves = status.workspaces.flatMap(({ name, migration }) =>
    migration?.row.role === "source" ? [texts.moving(name, migration.row.peer)] : [],
  );
  return [here.length === 0 ? texts.nothingRuns : texts.running(here.map(({ name }) => name)), ...moves];
}

export function trayMenu(
  status: ServiceStatus | null,
  actions: { readonly open: () => void; readonly quit: () => void },
): MenuItemConstructorOptions[] {
  return [
    ...trayLines(status).map((label): MenuItemConstructorOptions => ({ label, enabled: false })),
    { type: "separator" },
    { label: texts.open, click: actions.open },
    { label: texts.quit, click: actions.quit },
  ];
}
