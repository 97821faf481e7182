import type { Progress, ProgressUpdate } from "../../common/progress.ts";
import type { Message } from "../../protocol/wire/messages.ts";
import type { PeerLink } from "./peer-link.ts";

/** On a link of 1 Mbit/s a message of 60 bytes a second is not felt; … */
const INTERVAL_MS = 1000;
/** … of a phase that takes minutes they would add up, so there they come rarer: after this share of the time it has lasted. */
const RARER = 1 / 5;
const MAX_INTERVAL_MS = 15_000;
/** A new phase is told sooner. */
const PHASE_INTERVAL_MS = 100;

/** Shows the other host how far this one is, rarely enough to cost next to nothing; the newest is never left out. */
export class WireProgress implements Progress {
  readonly #link: Pick<PeerLink, "send" | "isFull" | "signal">;
  #phase = "";
  #sentMs = -Infinity;
  /** When the phase was told first. */
  #phaseMs = -Infinity;
  #waiting: ProgressUpdate | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(link: Pick<PeerLink, "send" | "isFull" | "signal">) {
    this.#link = link;
  }

  update(update: ProgressUpdate): void {
    const isNewPhase = update.phase !== this.#phase && update.phase !== this.#waiting?.phase;
    this.#waiting = update;
    if (this.#timer !== null && !isNewPhase) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const lastedMs = performance.now() - this.#phaseMs;
    const intervalMs = Math.min(MAX_INTERVAL_MS, Math.max(INTERVAL_MS, lastedMs * RARER));
    const dueMs = this.#sentMs + (update.phase === this.#phase ? intervalMs : PHASE_INTERVAL_MS);
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#send();
      },
      Math.max(0, dueMs - performance.now()),
    );
  }

  #send(): void {
    const update = this.#waiting;
    // While the link is full, what is waiting in it matters more.
    if (update === null || this.#link.signal.aborted || this.#link.isFull) return;
    this.#waiting = null;
    this.#sentMs = performance.now();
    if (update.phase !== this.#phase) this.#phaseMs = this.#sentMs;
    this.#phase = update.phase;
    const { phase, done, total, unit } = update;
    const message = { phase: phase.slice(0, 40), done: Math.round(done), unit };
    this.#link
      .send("progress", total === undefined ? message : { ...message, total: Math.round(total) })
      .catch(() => undefined); // Whoever works with the link finds out by itself.
  }

  /** Nothing more is shown. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#waiting = null;
  }
}

/** What the other host showed. */
export function fromWireProgress(message: Message<"progress">): ProgressUpdate {
  const { phase, done, total, unit, note } = message;
  return { phase, done, unit, ...(total === undefined ? {} : { total }), ...(note === undefined ? {} : { note }) };
}
