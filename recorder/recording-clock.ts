/** The clock looks at the time this often, in milliseconds. */
const LOOK_MS = 1000;
/** What passes between two looks counts up to this: a process that did not look for longer stood still. */
const MOST_MS = 5000;

/**
 * Recorded time in whole milliseconds: goes on from where an older recording ended, and stands still while stopped. Time
 * in which this process did not run (its computer slept, or it was stopped) counts for five seconds at most, so that it
 * is neither waited for in a replay nor taken for the time that the guest needed for something.
 */
export class RecordingClock {
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  #recordedMs: number;
  /** When `#recordedMs` was true; undefined while stopped. */
  #atMs: number | undefined;

  /** @param now milliseconds since any fixed moment, never going back */
  constructor(startMs: number, now = (): number => performance.now()) {
    this.#now = now;
    this.#recordedMs = startMs;
    this.#atMs = now();
    this.#timer = setInterval(() => {
      this.#look();
    }, LOOK_MS).unref();
  }

  get nowMs(): number {
    this.#look();
    return Math.floor(this.#recordedMs);
  }

  #look(): void {
    if (this.#atMs === undefined) return;
    const now = this.#now();
    this.#recordedMs += Math.min(now - this.#atMs, MOST_MS);
    this.#atMs = now;
  }

  stop(): void {
    this.#look();
    this.#atMs = undefined;
  }

  start(): void {
    this.#atMs ??= this.#now();
  }

  /** Ends the looking; the clock is not used any more. */
  close(): void {
    clearInterval(this.#timer);
  }
}
