import { stat } from "node:fs/promises";
import { abortable, delay } from "../common/abort.ts";
import { HomewardError } from "../common/errors.ts";
import type { Progress } from "../common/progress.ts";
import type { GuestName } from "../guests/definition.ts";
import type { RfbClient } from "../vm/rfb/rfb-client.ts";
import { screenStill } from "./session/stillness.ts";

/** How a guest looks and behaves when it has booted and has nothing left to do. */
interface Ready {
  /** Share of the screen, 0 to 1, that is brighter than black. */
  readonly litShare: number;
  readonly stillMs: number;
  /** As long as it usually takes on two slow cores. */
  readonly usualMs: number;
}

const READY: Readonly<Record<GuestName, Ready>> = {
  // A prompt on a black page.
  tiny: { litShare: 0.0001, stillMs: 3000, usualMs: 15_000 },
  // The desktop's background is a solid colour; while it boots, the screen is black with a few words.
  desktop: { litShare: 0.5, stillMs: 6000, usualMs: 60_000 },
};

/** Mean luma of a cell, 0 to 255, from which on it is not black. */
const LIT_LUMA = 4;
/** A journal is committed every 5 s, so writes are over when none came for longer than that. */
const QUIET_DISK_MS = 8000;
const LOOK_MS = 500;
const LIMIT_MS = 300_000;

function litShare(client: RfbClient): number {
  const grid = client.frame.lumaGrid();
  return grid.length === 0 ? 0 : grid.filter((luma) => luma > LIT_LUMA).length / grid.length;
}

/** Resolves when the picture fills as much of the screen as the guest's does when it is up. */
async function screenLit(client: RfbClient, share: number, signal: AbortSignal): Promise<void> {
  await abortable(
    new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (litShare(client) < share) return;
        stop();
        resolve();
      };
      const stopUpdates = client.onUpdate(look);
      const stopClose = client.onClose((cause) => {
        stop();
        reject(new HomewardError("GUEST", "the machine ended while it booted", { cause }));
      });
      const stop = (): void => {
        stopUpdates();
        stopClose();
        signal.removeEventListener("abort", stop);
      };
      signal.addEventListener("abort", stop, { once: true });
      look();
    }),
    signal,
  );
}

/** Resolves when a disk image has not been written to for a while. There is no event for "nothing happens". */
async function diskQuiet(path: string, signal: AbortSignal): Promise<void> {
  let last = -1;
  let since = performance.now();
  while (performance.now() - since < QUIET_DISK_MS) {
    const { mtimeMs } = await stat(path);
    if (mtimeMs !== last) {
      last = mtimeMs;
      since = performance.now();
    }
    await delay(LOOK_MS, signal);
  }
}

/** Waits until the screen has not changed for `quietMs`, or until `timeoutMs` have passed. @returns whether it was still */
export function still(client: RfbClient, quietMs: number, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  return screenStill(client, { quietMs, timeoutMs, changedFrom: client.frame.lumaGrid(), changedShare: 0, signal });
}

/**
 * Waits until a freshly booted guest is up, its screen is still and its disk is quiet.
 * @param overlay the disk image that the machine writes to
 * @throws TIMEOUT after five minutes
 */
export async function guestReady(
  guest: GuestName,
  client: RfbClient,
  overlay: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const { litShare: share, stillMs, usualMs } = READY[guest];
  const limited = AbortSignal.any([signal, limit(`the guest was not ready after ${LIMIT_MS / 1000} s`)]);
  const startMs = performance.now();
  const timer = setInterval(() => {
    const done = Math.round(performance.now() - startMs);
    progress.update({ phase: "boot", done, unit: "ms", ...(done < usualMs ? { total: usualMs } : {}) });
  }, LOOK_MS);
  try {
    await screenLit(client, share, limited);
    await Promise.all([still(client, stillMs, LIMIT_MS, limited), diskQuiet(overlay, limited)]);
  } finally {
    clearInterval(timer);
  }
}

/** A signal that fires with TIMEOUT. */
function limit(message: string): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => {
    controller.abort(new HomewardError("TIMEOUT", message));
  }, LIMIT_MS).unref();
  return controller.signal;
}
