/** Lets `burst` things through at once and `perSecond` in the long run (a token bucket). */
export class RateLimit {
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #now: () => number;
  #left: number;
  #atMs: number;

  /** @param now milliseconds on a clock that only goes forward */
  constructor(burst: number, perSecond: number, now: () => number = () => performance.now()) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#now = now;
    this.#left = burst;
    this.#atMs = now();
  }

  /** Whether one more may pass now; it then counts. */
  take(): boolean {
    const nowMs = this.#now();
    this.#left = Math.min(this.#burst, this.#left + ((nowMs - this.#atMs) / 1000) * this.#perSecond);
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
