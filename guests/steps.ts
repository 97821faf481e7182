import { throwIfAborted } from "../common/abort.ts";
import type { Progress } from "../common/progress.ts";

/**
 * Draws a build of known steps as one bar: each step counts with the milliseconds it took when it was measured, so the
 * bar moves evenly although nobody knows how fast this computer is.
 */
export class Steps {
  readonly #progress: Progress;
  readonly #phase: string;
  readonly #estimates: Readonly<Record<string, number>>;
  readonly #signal: AbortSignal | undefined;
  readonly #took: [step: string, ms: number][] = [];
  #done = 0;

  constructor(progress: Progress, phase: string, estimates: Readonly<Record<string, number>>, signal?: AbortSignal) {
    this.#progress = progress;
    this.#phase = phase;
    this.#estimates = estimates;
    this.#signal = signal;
  }

  /** Milliseconds each finished step took. */
  get took(): readonly (readonly [step: string, ms: number])[] {
    return this.#took;
  }

  /** Runs one step; `part` may be called with how much of it is done, 0 to 1. */
  async run<T>(step: string, work: (part: (fraction: number) => void) => Promise<T>): Promise<T> {
    throwIfAborted(this.#signal);
    const estimate = this.#estimates[step] ?? 0;
    this.#report(step, 0);
    const started = performance.now();
    const result = await work((fraction) => {
      this.#report(step, Math.min(1, Math.max(0, fraction)) * estimate);
    });
    this.#took.push([step, Math.round(performance.now() - started)]);
    this.#done += estimate;
    this.#report(step, 0);
    return result;
  }

  #report(step: string, ms: number): void {
    const total = Object.values(this.#estimates).reduce((sum, estimate) => sum + estimate, 0);
    this.#progress.update({ phase: this.#phase, done: Math.round(this.#done + ms), total, unit: "ms", note: step });
  }
}
