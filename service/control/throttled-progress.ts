import type { Progress, ProgressUpdate } from "../../common/progress.ts";

/** Passes on at most one update every `intervalMs`, always the newest, and what is left when `end` is called. */
export class ThrottledProgress implements Progress {
  readonly #send: (update: ProgressUpdate) => void;
  readonly #intervalMs: number;
  #sentAt = Number.NEGATIVE_INFINITY;
  #waiting: ProgressUpdate | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(intervalMs: number, send: (update: ProgressUpdate) => void) {
    this.#intervalMs = intervalMs;
    this.#send = send;
  }

  update(update: ProgressUpdate): void {
    this.#waiting = update;
    const waitMs = this.#sentAt + this.#intervalMs - performance.now();
    if (waitMs <= 0) this.#flush();
    else
      this.#timer ??= setTimeout(() => {
        this.#flush();
      }, waitMs);
  }

  #flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const update = this.#waiting;
    if (update === null) return;
    this.#waiting = null;
    this.#sentAt = performance.now();
    this.#send(update);
  }

  end(): void {
    this.#flush();
  }
}
