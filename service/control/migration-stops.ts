import { HomewardError } from "../../common/errors.ts";

/** What stops the migrations that were begun here, by workspace. A second one of the same workspace is refused by others. */
export class MigrationStops {
  readonly #stops = new Map<string, Set<AbortController>>();

  add(workspace: string, stop: AbortController): void {
    this.#stops.set(workspace, (this.#stops.get(workspace) ?? new Set()).add(stop));
  }

  remove(workspace: string, stop: AbortController): void {
    const stops = this.#stops.get(workspace);
    stops?.delete(stop);
    if (stops?.size === 0) this.#stops.delete(workspace);
  }

  /** @throws CONFLICT if none is under way */
  stop(workspace: string): void {
    const stops = this.#stops.get(workspace);
    if (stops === undefined) throw new HomewardError("CONFLICT", `${workspace} is not being moved away from here`);
    for (const stop of stops) stop.abort(new HomewardError("CANCELLED", "stopped"));
  }
}
