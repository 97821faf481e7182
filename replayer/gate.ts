import { abortReason } from "../common/abort.ts";
import type { Clock } from "./clock.ts";
import type { Comparison } from "./picture.ts";

/** The twin's screen as the replay sees it. */
export interface ReplayScreen {
  readonly width: number;
  readonly height: number;
  /** Mean luma of each 16x16-pixel cell, row by row. */
  lumaGrid(): Uint8Array;
  /** Calls back after every change of the picture; the returned function unsubscribes. */
  onUpdate(callback: () => void): () => void;
  /** Makes a display that looks for changes on a timer look now; its answer, if any, is an update. */
  wake?(): void;
}

export interface Gate {
  readonly compare: () => Comparison;
  /** The picture must match for so long without a break. */
  readonly holdMs: number;
  /** Longest wait. */
  readonly limitMs: number;
  readonly signal: AbortSignal | undefined;
}

export interface GateResult {
  readonly matched: boolean;
  readonly waitedMs: number;
  readonly differing: number;
}

/** QEMU's VNC server looks for changes less and less often (down to every 3 s) while it sees none (ui/vnc.c). */
const WAKE_MS = 50;

/**
 * Waits until the picture has matched for `holdMs`, or for `limitMs`: then it matched if it does at that moment. Looks
 * again at each update of the screen and at no other time. Rejects when the signal fires.
 */
export function waitForPicture(screen: ReplayScreen, clock: Clock, gate: Gate): Promise<GateResult> {
  return new Promise((resolve, reject) => {
    const { signal } = gate;
    if (signal?.aborted === true) {
      reject(abortReason(signal));
      return;
    }
    const startMs = clock.now();
    let cancelHold: (() => void) | undefined;
    const stop = (): void => {
      unsubscribe();
      cancelLimit();
      cancelHold?.();
      cancelWake?.();
      signal?.removeEventListener("abort", onAbort);
    };
    const finish = (): void => {
      stop();
      const { matches, differing } = gate.compare();
      resolve({ matched: matches, waitedMs: clock.now() - startMs, differing });
    };
    const onAbort = (): void => {
      stop();
      if (signal !== undefined) reject(abortReason(signal));
    };
    const look = (): void => {
      if (!gate.compare().matches) {
        cancelHold?.();
        cancelHold = undefined;
      } else {
        cancelHold ??= clock.after(gate.holdMs, finish);
      }
    };
    const wake = (): void => {
      screen.wake?.();
      cancelWake = clock.after(WAKE_MS, wake);
    };
    const unsubscribe = screen.onUpdate(look);
    const cancelLimit = clock.after(Math.max(0, gate.limitMs), finish);
    let cancelWake = screen.wake === undefined ? undefined : clock.after(WAKE_MS, wake);
    signal?.addEventListener("abort", onAbort, { once: true });
    look();
  });
}
