import type { Progress, ProgressUpdate } from "./progress.ts";
import { PhaseTimes } from "./time-left.ts";

/** Between two lines of one phase; its first and its last one are always written. */
const INTERVAL_MS = 250;

/**
 * Writes JSON Lines, each an object with a `type`: `{"type":"progress","phase":…,"done":…,"total":…,"unit":…,"left_s":…}`
 * for progress and whatever `line` is given.
 */
export class JsonLines implements Progress {
  readonly #write: (text: string) => unknown;
  readonly #now: () => number;
  readonly #times = new PhaseTimes();
  #lastPhase = "";
  #lastDone = -1;
  #lastMs = -Infinity;

  constructor(write: (text: string) => unknown, now: () => number = () => performance.now()) {
    this.#write = write;
    this.#now = now;
  }

  update(update: ProgressUpdate): void {
    const nowMs = this.#now();
    const leftMs = this.#times.note(update, nowMs);
    const isLast = update.total !== undefined && update.done >= update.total;
    if (update.phase === this.#lastPhase) {
      if (update.done === this.#lastDone) return;
      if (!isLast && nowMs - this.#lastMs < INTERVAL_MS) return;
    }
    this.#lastPhase = update.phase;
    this.#lastDone = update.done;
    this.#lastMs = nowMs;
    this.line("progress", { ...update, ...(leftMs === undefined ? {} : { left_s: Math.round(leftMs / 100) / 10 }) });
  }

  line(type: string, fields: object): void {
    this.#write(`${JSON.stringify({ type, ...fields })}\n`);
  }
}
