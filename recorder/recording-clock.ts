/** Recorded time in whole milliseconds: goes on from where an older recording ended, and stands still while stopped. */
export class RecordingClock {
  #baseMs: number;
  #runningSince: number | undefined = performance.now();

  constructor(startMs: number) {
    this.#baseMs = startMs;
  }

  get nowMs(): number {
    const since = this.#runningSince;
    return since === undefined ? this.#baseMs : this.#baseMs + Math.floor(performance.now() - since);
  }

  stop(): void {
    this.#baseMs = this.nowMs;
    this.#runningSince = undefined;
  }

  start(): void {
    this.#runningSince ??= performance.now();
  }
}
