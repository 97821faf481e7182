import type { Progress, ProgressUpdate } from "../../common/progress.ts";

/** Progress of an exchange, which says during an outage that it waits and afterwards again where it was. */
export class WaitingProgress implements Progress {
  readonly #next: Progress;
  readonly #peer: string;
  #last: ProgressUpdate | null = null;
  #isWaiting = false;

  constructor(next: Progress, peer: string) {
    this.#next = next;
    this.#peer = peer;
  }

  update(update: ProgressUpdate): void {
    this.#last = update;
    // What this host still does by itself is not what it waits for.
    if (!this.#isWaiting) this.#next.update(update);
  }

  /** @param lastedMs how long there has been no connection; null when there is one again */
  outage(lastedMs: number | null): void {
    this.#isWaiting = lastedMs !== null;
    if (lastedMs !== null) {
      const note = `waiting for ${this.#peer}: connection lost ${Math.round(lastedMs / 1000)} s ago, trying again`;
      this.#next.update({ phase: "waiting", done: lastedMs, unit: "ms", note });
    } else if (this.#last !== null) this.#next.update(this.#last);
  }
}
