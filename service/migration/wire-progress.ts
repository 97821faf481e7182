import type { Progress, ProgressUpdate } from "../../common/progress.ts";
import type { Message } from "../../protocol/wire/messages.ts";
import type { PeerLink } from "./peer-link.ts";

/** On a link of 1 Mbit/s a message of 80 bytes a second is not felt. */
const INTERVAL_MS = 1000;
/** A new phase is told sooner. */
const PHASE_INTERVAL_MS = 100;

/** Shows the other host how far this one is, rarely enough to cost next to nothing; the newest is never left out. */
export class WireProgress implements Progress {
  readonly #link: PeerLink;
  #phase = "";
  #sentMs = -Infinity;
  #waiting: ProgressUpdate | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(link: PeerLink) {
    this.#link = link;
  }

  update(update: ProgressUpdate): void {
    const isNewPhase = update.phase !== this.#phase && update.phase !== this.#waiting?.phase;
    this.#waiting = update;
    if (this.#timer !== null && !isNewPhase) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const dueMs = this.#sentMs + (update.phase === this.#phase ? INTERVAL_MS : PHASE_INTERVAL_MS);
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
    this.#phase = update.phase;
    this.#sentMs = performance.now();
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
