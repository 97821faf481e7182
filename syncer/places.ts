import { BLOCK_BYTES, type DeviceName } from "../protocol/residual/limits.ts";
import type { BlockDevice, WritableBlockDevice } from "./block-device.ts";

/** A pair of things, one for each device. */
export interface PerDevice<T> {
  readonly ram: T;
  readonly disk: T;
}

/** The address of one block of the machine. */
export interface Place {
  readonly device: DeviceName;
  readonly block: number;
}

/** One block of an open device. */
export interface BlockOf<D> {
  readonly on: D;
  readonly block: number;
}

/** Blocks that are neighbours on the device and in the list, `at` being the first one's position in the list. */
interface Run<D> {
  readonly on: D;
  readonly block: number;
  readonly count: number;
  readonly at: number;
}

/** Calls in flight at once: enough to keep a socket or the thread pool busy. */
const CALLS_AT_ONCE = 16;

function neighbours<D>(blocks: readonly BlockOf<D>[]): Run<D>[] {
  const runs: { on: D; block: number; count: number; at: number }[] = [];
  blocks.forEach(({ on, block }, at) => {
    const run = runs.at(-1);
    if (run?.on === on && run.block + run.count === block) run.count++;
    else runs.push({ on, block, count: 1, at });
  });
  return runs;
}

async function forEachAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const lane = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  // Every lane is waited for, so that nothing touches the devices after this has failed.
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(CALLS_AT_ONCE, items.length) }, lane));
  for (const result of lanes) if (result.status === "rejected") throw result.reason;
}

/** What was at the places, as blocks of the devices. */
export function blocksAt<D>(devices: PerDevice<D>, places: readonly Place[]): BlockOf<D>[] {
  return places.map(({ device, block }) => ({ on: devices[device], block }));
}

/** The contents of the blocks, one after the other. */
export async function readBlocks(blocks: readonly BlockOf<BlockDevice>[]): Promise<Buffer> {
  const content = Buffer.allocUnsafeSlow(blocks.length * BLOCK_BYTES);
  await forEachAtOnce(neighbours(blocks), async ({ on, block, count, at }) => {
    (await on.read(block, count)).copy(content, at * BLOCK_BYTES);
  });
  return content;
}

/** Writes `content` over the blocks, one 4 KiB after the other. */
export async function writeBlocks(blocks: readonly BlockOf<WritableBlockDevice>[], content: Buffer): Promise<void> {
  await forEachAtOnce(neighbours(blocks), async ({ on, block, count, at }) => {
    await on.write(block, content.subarray(at * BLOCK_BYTES, (at + count) * BLOCK_BYTES));
  });
}
