import { HomewardError, toHomewardError } from "../../common/errors.ts";
import type { Progress } from "../../common/progress.ts";
import type { WorkspaceStatus } from "../../protocol/control.ts";

type LayDown = NonNullable<WorkspaceStatus["layDown"]>;

export interface LayDownRequest {
  readonly workspace: string;
  readonly peer: string;
  /** Goes on when the client has gone, and what it failed with is kept until somebody has read it. */
  readonly detached: boolean;
}

/** What is being laid down on other hosts, by workspace, for whoever looks at the status. */
export class LayDowns {
  readonly #now = new Map<string, LayDown>();
  readonly #stops = new Map<string, AbortController>();

  get(workspace: string): LayDown | null {
    return this.#now.get(workspace) ?? null;
  }

  /** Does the work and keeps how far it is. @throws CONFLICT if one of the same workspace is under way; what the work throws */
  async run<T>(
    { workspace, peer, detached }: LayDownRequest,
    client: { readonly signal: AbortSignal; readonly progress: Progress },
    work: (options: { readonly signal: AbortSignal; readonly progress: Progress }) => Promise<T>,
  ): Promise<T> {
    const before = this.#now.get(workspace);
    if (this.#stops.has(workspace)) throw new HomewardError("CONFLICT", `${workspace} is being laid down on ${before?.peer ?? peer} already`);
    const stop = new AbortController();
    this.#stops.set(workspace, stop);
    const note = (layDown: Omit<LayDown, "peer">): void => {
      this.#now.set(workspace, { peer, ...layDown });
    };
    note({ progress: null, error: null });
    const progress: Progress = {
      update: (update) => {
        note({ progress: update, error: null });
        client.progress.update(update);
      },
    };
    try {
      const result = await work({ signal: detached ? stop.signal : AbortSignal.any([stop.signal, client.signal]), progress });
      this.#now.delete(workspace);
      return result;
    } catch (thrown) {
      const { code, message, hint } = toHomewardError(thrown);
      if (detached && code !== "CANCELLED") note({ progress: null, error: { message: message.slice(0, 4000), hint: hint?.slice(0, 1000) ?? null } });
      else this.#now.delete(workspace);
      throw thrown;
    } finally {
      this.#stops.delete(workspace);
    }
  }

  /** Stops one that is under way, or forgets what it failed with. @throws CONFLICT if there is neither */
  end(workspace: string): void {
    const stop = this.#stops.get(workspace);
    if (stop !== undefined) stop.abort(new HomewardError("CANCELLED", "stopped"));
    else if (!this.#now.delete(workspace)) throw new HomewardError("CONFLICT", `${workspace} is not being laid down on another host`);
  }
}
