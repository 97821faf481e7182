import { availableParallelism, loadavg } from "node:os";

/** A twin is never taken for slower than this: a replay has to end some time. */
export const SLOWEST = 0.2;
/** Shorter reactions than this, in milliseconds, say more about how often a display is looked at than about the guest. */
const TELLING_MS = 150;
/** The first guess counts like one reaction of this length, in milliseconds. */
const GUESS_MS = 1_000;
/** What was measured before counts so much less with each new measurement: load comes and goes. */
const MEMORY = 0.75;
/** Processes waiting for each processor that are not taken for overload: some of them only wait for the disk. */
const USUAL_LOAD = 2;

function bounded(speed: number): number {
  return Math.min(1, Math.max(SLOWEST, speed));
}

/**
 * A first guess at how fast a guest runs here now, from how many processes wait for this computer's processors.
 * @param load of the last minute, as in /proc/loadavg
 */
export function guessedSpeed(load = loadavg()[0] ?? 0, processors = availableParallelism()): number {
  return bounded((USUAL_LOAD * processors) / Math.max(load, 1));
}

/**
 * How fast the twin runs compared with the guest that was recorded, 1 = as fast (or faster, which needs no care), down to
 * SLOWEST. Measured by how long it takes to show what the recorded guest took a known time to show. Only pictures that
 * came count: one that never comes says nothing about speed, and must not buy the replay more time.
 */
export class Tempo {
  #recordedMs = GUESS_MS;
  #takenMs: number;

  /** @param guess the speed until something was measured */
  constructor(guess: number) {
    this.#takenMs = GUESS_MS / bounded(guess);
  }

  get speed(): number {
    return bounded(this.#recordedMs / this.#takenMs);
  }

  /** The twin showed the picture after `takenMs` that the recorded guest showed after `recordedMs`. */
  shown(recordedMs: number, takenMs: number): void {
    if (recordedMs < TELLING_MS) return;
    this.#recordedMs = this.#recordedMs * MEMORY + recordedMs;
    this.#takenMs = this.#takenMs * MEMORY + Math.max(recordedMs, takenMs);
  }
}
