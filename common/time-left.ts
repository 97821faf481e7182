import type { ProgressUpdate } from "./progress.ts";

/** Reports closer together than this say more about scheduling than about speed. */
const MIN_INTERVAL_MS = 200;
/** Older speed counts half as much after this long, so that the estimate follows a link that changes. */
const HALF_LIFE_MS = 5000;
/** No estimate is better than one made of almost nothing. */
const MIN_ELAPSED_MS = 1000;

/** Estimates how long an operation will take from how far it has come; one instance for each phase. */
export class TimeLeft {
  #startMs: number | undefined;
  #lastMs = 0;
  #lastDone = 0;
  /** Units per millisecond, an exponentially weighted mean. */
  #rate: number | undefined;

  /** Notes progress at `nowMs`, on any clock that only goes forward. */
  update(done: number, nowMs: number): void {
    if (this.#startMs === undefined || done < this.#lastDone) {
      this.#startMs = nowMs;
      this.#rate = undefined;
    } else {
      const elapsed = nowMs - this.#lastMs;
      if (elapsed < MIN_INTERVAL_MS) return;
      const rate = (done - this.#lastDone) / elapsed;
      const keep = 0.5 ** (elapsed / HALF_LIFE_MS);
      this.#rate = this.#rate === undefined ? rate : this.#rate * keep + rate * (1 - keep);
    }
    this.#lastMs = nowMs;
    this.#lastDone = done;
  }

  /** Milliseconds until `total` is reached, or undefined while there is nothing to go by. */
  estimate(total: number | undefined, nowMs: number): number | undefined {
    if (total === undefined || this.#startMs === undefined || this.#rate === undefined || this.#rate <= 0)
      return undefined;
    if (nowMs - this.#startMs < MIN_ELAPSED_MS) return undefined;
    return Math.max(0, (total - this.#lastDone) / this.#rate - (nowMs - this.#lastMs));
  }
}

/** The same for progress reports of several phases, one after the other. */
export class PhaseTimes {
  #phase: string | undefined;
  #timeLeft = new TimeLeft();

  /** Notes a report and returns the milliseconds that its phase will still take, undefined while unknown. */
  note(update: ProgressUpdate, nowMs: number): number | undefined {
    const { phase, done, total, unit } = update;
    // Where the total is a time, what is missing of it is the time left.
    if (unit === "ms" && total !== undefined) return Math.max(0, total - done);
    if (phase !== this.#phase) this.#timeLeft = new TimeLeft();
    this.#phase = phase;
    this.#timeLeft.update(done, nowMs);
    return this.#timeLeft.estimate(total, nowMs);
  }
}
