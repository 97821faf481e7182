import { delay } from "../../common/abort.ts";
import type { RfbClient } from "../../vm/rfb/rfb-client.ts";
import type { VncTap } from "./vnc-tap.ts";

const SAMPLES = 1500;
/** Pause after each event; two viewers then send as often as one that moves its pointer. */
const PAUSE_MS = 8;
const LOST_MS = 5000;

/** Milliseconds. */
export interface Delays {
  readonly median: number;
  readonly p99: number;
}

function delays(samples: number[]): Delays {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  return { median: at(0.5), p99: at(0.99) };
}

/** Milliseconds from the write on a viewer's side until the event is at QEMU's socket. */
async function once(viewer: RfbClient, tap: VncTap, x: number, y: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(reject, LOST_MS, new Error("an input event did not arrive"));
    tap.onPointer = (seenX, seenY, atMs) => {
      if (seenX !== x || seenY !== y) return;
      clearTimeout(timer);
      resolve(atMs - startMs);
    };
    const startMs = performance.now();
    viewer.pointer(x, y, 0);
  });
}

/** How long pointer events take on several ways to the same QEMU, one after the other in turn. */
export async function compareDelays<Way extends string>(
  tap: VncTap,
  viewers: Readonly<Record<Way, RfbClient>>,
  signal: AbortSignal,
): Promise<Record<Way, Delays>> {
  const ways = Object.entries<RfbClient>(viewers).map(([way, viewer]) => ({ way, viewer, samples: [] as number[] }));
  for (let i = 0; i < SAMPLES; i++)
    for (const { viewer, samples } of ways) {
      samples.push(await once(viewer, tap, i % 700, Math.floor(i / 700)));
      await delay(PAUSE_MS, signal);
    }
  return Object.fromEntries(ways.map(({ way, samples }) => [way, delays(samples)])) as Record<Way, Delays>;
}
