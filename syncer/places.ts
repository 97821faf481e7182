import { freeBuffer } from "../common/free-buffer.ts";
import { BLOCK_BYTES, type DeviceName } from "../protocol/residual/limits.ts";
import type { BlockDevice, WritableBlockDevice } from "./block-device.ts";
import type { HashPool } from "./hash-pool.ts";

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
  await allDone(Array.from({ length: Math.min(CALLS_AT_ONCE, items.length) }, lane));
}

/** Waits for all of them, also when one fails, so that nothing touches the devices afterwards. */
async function allDone(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === "rejected") throw result.reason;
}

/** What was at the places, as blocks of the devices. */
export function blocksAt<D>(devices: PerDevice<D>, places: readonly Place[]): BlockOf<D>[] {
  return places.map(({ device, block }) => ({ on: devices[device], block }));
}

/** Runs on files, which a worker reads or writes in one go, by file; and all others. */
function byFile<D extends BlockDevice>(runs: readonly Run<D>[]): { files: Map<number, Run<D>[]>; others: Run<D>[] } {
  const files = new Map<number, Run<D>[]>();
  const others: Run<D>[] = [];
  for (const run of runs) {
    const { fd } = run.on;
    if (fd === undefined) others.push(run);
    else {
      const known = files.get(fd);
      if (known === undefined) files.set(fd, [run]);
      else known.push(run);
    }
  }
  return { files, others };
}

/** The contents of the blocks, one after the other, in a buffer that belongs to the caller. */
export async function readBlocks(blocks: readonly BlockOf<BlockDevice>[], pool: HashPool): Promise<Buffer> {
  const { files, others } = byFile(neighbours(blocks));
  const [file] = files;
  if (file !== undefined && files.size === 1 && others.length === 0) return pool.read(file[0], file[1]);
  const content = Buffer.allocUnsafeSlow(blocks.length * BLOCK_BYTES);
  const fromFiles = [...files].map(async ([fd, runs]) => {
    const data = await pool.read(fd, runs);
    let from = 0;
    for (const { count, at } of runs) {
      data.copy(content, at * BLOCK_BYTES, from, from + count * BLOCK_BYTES);
      from += count * BLOCK_BYTES;
    }
    freeBuffer(data);
  });
  const fromOthers = forEachAtOnce(others, async ({ on, block, count, at }) => {
    const data = await on.read(block, count);
    data.copy(content, at * BLOCK_BYTES);
    freeBuffer(data);
  });
  await allDone([...fromFiles, fromOthers]);
  return content;
}

/** Writes `content` over the blocks, one 4 KiB after the other. */
export async function writeBlocks(
  blocks: readonly BlockOf<WritableBlockDevice>[],
  content: Buffer,
  pool: HashPool,
): Promise<void> {
  const part = ({ count, at }: { count: number; at: number }): Buffer =>
    content.subarray(at * BLOCK_BYTES, (at + count) * BLOCK_BYTES);
  const { files, others } = byFile(neighbours(blocks));
  const toFiles = [...files].map(([fd, runs]) => pool.write(fd, runs, Buffer.concat(runs.map(part))));
  const toOthers = forEachAtOnce(others, (run) => run.on.write(run.block, part(run)));
  await allDone([...toFiles, toOthers]);
}
