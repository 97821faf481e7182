import { delay } from "../../common/abort.ts";
import type { ControlResult, ServiceStatus } from "../../protocol/control.ts";

/** While somebody watches, the status is looked at this often, in milliseconds, for all of them together. */
const LOOK_EVERY_MS = 400;

/**
 * Tells watchers of changes of the status. What makes it up (databases, files, machines) has no common event, so it is looked
 * at, but only while somebody waits.
 */
export class StatusFeed {
  readonly #look: () => Promise<ServiceStatus>;
  #revision = 0;
  #text = "";
  #status: ServiceStatus | null = null;
  #looking: Promise<void> | null = null;

  constructor(look: () => Promise<ServiceStatus>) {
    this.#look = look;
  }

  /** Resolves with a status that is another one than that of the revision `after`. @throws CANCELLED; what `look` throws */
  async next(after: number | undefined, signal: AbortSignal): Promise<ControlResult<"watch">> {
    for (;;) {
      await this.#refresh();
      if (this.#status !== null && after !== this.#revision) return { revision: this.#revision, status: this.#status };
      await delay(LOOK_EVERY_MS, signal);
    }
  }

  /** One look at a time, whoever asks. */
  #refresh(): Promise<void> {
    this.#looking ??= this.#look()
      .then((status) => {
        const text = JSON.stringify(status);
        if (text === this.#text) return;
        // Begins where no client of an earlier service can be, so that it never takes an old status for the present one.
        this.#revision = this.#revision === 0 ? Date.now() : this.#revision + 1;
        this.#text = text;
        this.#status = status;
      })
      .finally(() => {
        this.#looking = null;
      });
    return this.#looking;
  }
}
