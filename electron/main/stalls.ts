import type { ServiceStatus } from "../../protocol/control.ts";

/** Finds the workspaces that stand still now and did not at the status before; those of the first status, too. */
export class Stalls {
  #before: ReadonlySet<string> = new Set();

  next({ workspaces }: ServiceStatus): string[] {
    const now = workspaces.filter(({ stalled }) => stalled !== null).map(({ name }) => name);
    const found = now.filter((name) => !this.#before.has(name));
    this.#before = new Set(now);
    return found;
  }
}
