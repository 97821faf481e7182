const LOOK_MS = 1000;
/** Less is how a clock is kept right all the time. */
const JUMP_MS = 1000;

/** The two clocks that are compared, in milliseconds. */
export interface Clocks {
  readonly wall: () => number;
  /** Stands still while the computer sleeps, as CLOCK_MONOTONIC does and a machine's own time with it. */
  readonly running: () => number;
}

const CLOCKS: Clocks = { wall: () => Date.now(), running: () => performance.now() };

/**
 * Calls `onJump` whenever the time of day went on by more than a second without this computer running, or was set.
 * @param stop ends the watching
 * @param onJump gets by how many milliseconds
 */
export function watchForSleep(stop: AbortSignal, onJump: (ms: number) => void, clocks = CLOCKS): void {
  const difference = (): number => clocks.wall() - clocks.running();
  let before = difference();
  const timer = setInterval(() => {
    const now = difference();
    if (Math.abs(now - before) > JUMP_MS) onJump(now - before);
    before = now;
  }, LOOK_MS).unref();
  stop.addEventListener("abort", () => {
    clearInterval(timer);
  });
}
