import { pause, systemClock, type Clock } from "./clock.ts";

export interface DiskSettledOptions {
  /** Nothing may have been written for so long, in milliseconds. Default 1500. */
  readonly quietMs?: number;
  /** Longest wait in milliseconds, whether the disk is quiet or not. Default 10,000. */
  readonly limitMs?: number;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

/** QEMU has no event for block writes, only counters. */
const LOOK_MS = 250;

/**
 * Waits until the guest has written nothing to its disk for `quietMs`.
 * @param writtenBytes total bytes written so far, e.g. `() => machine.blockWriteBytes()`
 * @returns whether the disk was quiet before the limit
 */
export async function diskSettled(
  writtenBytes: () => Promise<number>,
  options: DiskSettledOptions = {},
): Promise<boolean> {
  const { quietMs = 1500, limitMs = 10_000, signal, clock = systemClock } = options;
  const startMs = clock.now();
  let bytes = await writtenBytes();
  let quietSinceMs = clock.now();
  while (clock.now() - quietSinceMs < quietMs) {
    if (clock.now() - startMs >= limitMs) return false;
    await pause(clock, LOOK_MS, signal);
    const now = await writtenBytes();
    if (now !== bytes) quietSinceMs = clock.now();
    bytes = now;
  }
  return true;
}
