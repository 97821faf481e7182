const LOOK_MS = 1000;
/** Less is how a clock is kept right all the time. */
const JUMP_MS = 1000;

const STALL_MS = 5000;

/** The two clocks that are compared, in milliseconds. */
export interface Clocks {
  readonly wall: () => number;
  /** Stands still while the computer sleeps, as CLOCK_MONOTONIC does and a machine's own time with it. */
  readonly running: () => number;
}

const CLOCKS: Clocks = { wall: () => Date.now(), running: () => performance.now() };

/**
 * Calls `onJump` whenever the time of day went on by more than a second without this computer running, or was set, and
 * when this process did not run for more than five seconds: its machines were probably stopped with it, and a PC's
 * power-management timer, by which many guests count, wraps round every 4.7 s.
 * @param stop ends the watching
 * @param onJump gets by how many milliseconds
 */
export function watchForSleep(stop: AbortSignal, onJump: (ms: number) => void, clocks = CLOCKS): void {
  let [wall, running] = [clocks.wall(), clocks.running()];
  const timer = setInterval(() => {
    const [wallNow, runningNow] = [clocks.wall(), clocks.running()];
    const [passed, ran] = [wallNow - wall, runningNow - running];
    [wall, running] = [wallNow, runningNow];
    if (Math.abs(passed - ran) > JUMP_MS || ran > STALL_MS) onJump(passed - LOOK_MS);
  }, LOOK_MS).unref();
  stop.addEventListener("abort", () => {
    clearInterval(timer);
  });
}
