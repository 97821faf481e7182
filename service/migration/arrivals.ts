import { abortable, withTimeout } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";

/** An arrival that was told to end is over after a moment: its twin is killed and its files are removed. */
const END_MS = 30_000;

interface Current {
  /** Of the migration, or of the generation that is laid down. */
  readonly id: string;
  readonly peer: string;
  readonly stop: AbortController;
  readonly over: Promise<void>;
}

/** The workspaces that are arriving at this host just now, at most one arrival each. */
export class Arrivals {
  readonly #current = new Map<string, Current>();

  /**
   * Does the work of an arrival. It gets the signal that tells it to end.
   * @param peer the host that the workspace comes from
   */
  async run(
    { id, workspace, peer }: { readonly id: string; readonly workspace: string; readonly peer: string },
    work: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const over = Promise.withResolvers<undefined>();
    const current: Current = { id, peer, stop: new AbortController(), over: over.promise };
    this.#current.set(workspace, current);
    try {
      await work(current.stop.signal);
    } finally {
      if (this.#current.get(workspace) === current) this.#current.delete(workspace);
      over.resolve(undefined);
    }
  }

  /** The host that it is arriving from; null if it is not. */
  from(workspace: string): string | null {
    return this.#current.get(workspace)?.peer ?? null;
  }

  /**
   * Ends the arrival of this workspace from the same host, if there is one, and waits for that. A host that offers a
   * workspace has given up the last attempt, though this end may not have heard of it yet.
   * @throws TIMEOUT, CANCELLED
   */
  async endEarlier(workspace: string, peer: string, signal: AbortSignal): Promise<void> {
    const current = this.#current.get(workspace);
    if (current?.peer !== peer) return;
    await this.#end(current, `${peer} has begun anew`, workspace, signal);
  }

  /**
   * Ends the arrival of this migration if it is under way, because it is known by now what became of it, and waits for that.
   * @throws TIMEOUT, CANCELLED
   */
  async endSettled(id: string, workspace: string, signal: AbortSignal): Promise<void> {
    const current = this.#current.get(workspace);
    if (current?.id === id) await this.#end(current, "it was settled over another connection", workspace, signal);
  }

  async #end(current: Current, why: string, workspace: string, signal: AbortSignal): Promise<void> {
    current.stop.abort(new HomewardError("CANCELLED", why));
    await withTimeout(abortable(current.over, signal), END_MS, `the last migration of ${workspace}`);
  }
}
