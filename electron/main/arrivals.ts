import type { ServiceStatus, WorkspaceStatus } from "../../protocol/control.ts";

/** A workspace that came to this computer, and where from. */
export interface Arrival {
  readonly workspace: string;
  readonly from: string;
  readonly running: boolean;
}

/**
 * Finds what has arrived between one status and the next. The first status that it is given is what was there before:
 * nobody is told of that.
 */
export class Arrivals {
  #before: ReadonlyMap<string, string> | null = null;

  next({ workspaces }: ServiceStatus): Arrival[] {
    const before = this.#before;
    this.#before = new Map(workspaces.map(({ name, owner }) => [name, owner]));
    if (before === null) return [];
    return workspaces.flatMap((workspace) => {
      const owner = before.get(workspace.name);
      if (workspace.owner !== "here" || owner === "here") return [];
      // One that was not known before came whole, or was made here.
      const from = owner ?? cameFrom(workspace);
      return from === null ? [] : [{ workspace: workspace.name, from, running: workspace.state === "running" }];
    });
  }
}

function cameFrom({ lastMove }: WorkspaceStatus): string | null {
  return lastMove?.from ?? null;
}
