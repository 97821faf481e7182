import type { WorkspaceStatus } from "../../../../protocol/control.ts";
import { call } from "../../control/service.ts";

export function isBeingLaidDown({ layDown }: WorkspaceStatus): boolean {
  return layDown !== null && layDown.error === null;
}

/**
 * Lays the base of a workspace down on a host; makes one first if there is none. It goes on when this page is closed, and the
 * workspace's status says how far it is, and why it does not get there.
 */
export function layDown(workspace: WorkspaceStatus, peer: string): void {
  if (isBeingLaidDown(workspace)) return;
  call("push", { workspace: workspace.name, peer, seal: true, detached: true }).catch(() => undefined);
}

/** Stops one that is under way, or forgets what it failed with. */
export function endLayDown({ name }: WorkspaceStatus): void {
  // It may just have come to its end.
  call("cancel", { workspace: name, of: "push" }).catch(() => undefined);
}
