import { rm } from "node:fs/promises";
import { HomewardError } from "../../common/errors.ts";
import type { WorkspaceRow } from "../store/workspaces-table.ts";
import type { WorkspaceDeps } from "./dependencies.ts";
import type { MachineControl } from "./machine-control.ts";

/** @throws CONFLICT if another host owns the workspace, or it is on its way to one */
export function requireOwned({ hostName }: WorkspaceDeps, { name, owner, state }: WorkspaceRow): void {
  if (owner !== null)
    throw new HomewardError("CONFLICT", `${name} is on ${owner}`, {
      hint: `On ${owner}: homeward migrate ${name} ${hostName}`,
      data: { owner },
    });
  if (state === "paused-for-migration") throw new HomewardError("CONFLICT", `${name} is being migrated`);
}

/**
 * Removes a workspace with all that is its own, the keys of its input logs first.
 * @throws CONFLICT if its machine is on, or it is being migrated
 */
export async function removeWorkspace({ store }: WorkspaceDeps, control: MachineControl): Promise<void> {
  const { name, state } = control.row;
  if (!["off", "suspended", "away"].includes(state))
    throw new HomewardError("CONFLICT", `${name} is ${state}`, { hint: `"homeward power ${name} off" pulls its plug.` });
  // The record of a move that was prepared or released is all that keeps it from having two owners, or none.
  if (store.migrations.unfinished().some(({ workspace }) => workspace === name))
    throw new HomewardError("CONFLICT", `${name} is in a migration that has not ended`, {
      hint: "It ends by itself once both hosts' services reach each other.",
    });
  await control.inputLog.forgetAll();
  await control.closeLog();
  store.workspaces.delete(name);
  await rm(control.paths.dir, { recursive: true, force: true });
}
