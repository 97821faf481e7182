import type { Progress, ProgressUpdate } from "../../common/progress.ts";
import type { PeerLink } from "./peer-link.ts";

/** On a link of 1 Mbit/s a message of 80 bytes a second is not felt. */
const INTERVAL_MS = 1000;
const PHASE_INTERVAL_MS = 400;

/** Shows the other host how far this one is, rarely enough to cost next to nothing. */
export class WireProgress implements Progress {
  readonly #link: PeerLink;
  #phase = "";
  #sentMs = -Infinity;
  #sending = false;

  constructor(link: PeerLink) {
    this.#link = link;
  }

  update(update: ProgressUpdate): void {
    const now = performance.now();
    const interval = update.phase === this.#phase ? INTERVAL_MS : PHASE_INTERVAL_MS;
    // While the link is full, what is waiting in it matters more.
    if (this.#sending || now - this.#sentMs < interval || this.#link.signal.aborted) return;
    this.#phase = update.phase;
    this.#sentMs = now;
    this.#sending = true;
    const { phase, done, total, unit } = update;
    const message = { phase: phase.slice(0, 40), done: Math.round(done), unit };
    this.#link
      .send("progress", total === undefined ? message : { ...message, total: Math.round(total) })
      .catch(() => undefined) // Whoever works with the link finds out by itself.
      .finally(() => {
        this.#sending = false;
      });
  }
}
