import { abortReason } from "../../common/abort.ts";
import type { Console } from "./hands.ts";

/** A text cursor that blinks is no change that a person would wait for. */
const STILL_CELLS = 2;
const STILL_LUMA = 6;

function changedCells(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return a.length;
  let changed = 0;
  for (let i = 0; i < a.length; i++) if (Math.abs((a[i] ?? 0) - (b[i] ?? 0)) > STILL_LUMA) changed++;
  return changed;
}

export interface Stillness {
  readonly quietMs: number;
  readonly timeoutMs: number;
  /** So much of this picture must have changed before stillness counts; 0 for none. */
  readonly changedFrom: Uint8Array;
  readonly changedShare: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Resolves when the screen has not changed for `quietMs`, or after `timeoutMs`.
 * @returns whether it was still
 */
export function screenStill(console: Console, stillness: Stillness): Promise<boolean> {
  const { quietMs, timeoutMs, changedFrom, changedShare, signal } = stillness;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(abortReason(signal));
      return;
    }
    let picture = console.frame.lumaGrid();
    const changedEnough = (): boolean =>
      changedShare === 0 || changedCells(changedFrom, picture) >= changedFrom.length * changedShare;
    const stop = (): void => {
      clearTimeout(quiet);
      clearTimeout(limit);
      unsubscribe();
      signal?.removeEventListener("abort", onAbort);
    };
    const finish = (still: boolean): void => {
      stop();
      resolve(still);
    };
    const onAbort = (): void => {
      stop();
      if (signal !== undefined) reject(abortReason(signal));
    };
    // A quiet time that passes too early is not started anew until the picture changes.
    const quietPassed = (): void => {
      if (changedEnough()) finish(true);
    };
    const unsubscribe = console.onUpdate(() => {
      const now = console.frame.lumaGrid();
      if (changedCells(picture, now) <= STILL_CELLS) return;
      picture = now;
      quiet.refresh();
    });
    const quiet = setTimeout(quietPassed, quietMs);
    const limit = setTimeout(finish, timeoutMs, false);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
