import { BLOCK_BYTES, type BlockRange } from "../protocol/residual/limits.ts";
import type { BlockDevice } from "./block-device.ts";

/** Blocks handed to a worker: the bytes themselves, or where in an open file the worker reads them. */
export type Piece =
  | { readonly kind: "data"; readonly data: Uint8Array }
  | { readonly kind: "file"; readonly fd: number; readonly runs: readonly BlockRange[] };

/** Blocks that one piece holds at most (2 MiB): long enough to hide a message's cost, short enough to spread the work. */
export const PIECE_BLOCKS = 256;

/** Cuts runs into groups of at most `maxBlocks` blocks, in order; runs are cut at multiples of `align` blocks. */
export async function* groupRuns(
  runs: Iterable<BlockRange> | AsyncIterable<BlockRange>,
  maxBlocks: number = PIECE_BLOCKS,
): AsyncGenerator<BlockRange[], void, undefined> {
  let group: BlockRange[] = [];
  let room = maxBlocks;
  for await (const run of runs) {
    let { block, count } = run;
    while (count > 0) {
      const taken = Math.min(count, room);
      group.push({ block, count: taken });
      block += taken;
      count -= taken;
      room -= taken;
      if (room === 0) {
        yield group;
        group = [];
        room = maxBlocks;
      }
    }
  }
  if (group.length > 0) yield group;
}

/** How many blocks the runs hold. */
export function blocksIn(runs: readonly BlockRange[]): number {
  return runs.reduce((sum, run) => sum + run.count, 0);
}

/** Reads several runs into one buffer, in order. */
export async function readRuns(device: BlockDevice, runs: readonly BlockRange[]): Promise<Buffer> {
  const [first] = runs;
  if (first !== undefined && runs.length === 1) return device.read(first.block, first.count);
  const joined = Buffer.allocUnsafeSlow(blocksIn(runs) * BLOCK_BYTES);
  let at = 0;
  await Promise.all(
    runs.map(async (run) => {
      const to = at;
      at += run.count * BLOCK_BYTES;
      (await device.read(run.block, run.count)).copy(joined, to);
    }),
  );
  return joined;
}

/** The runs as a piece: by reference to the file where the device is one, else read here. */
export async function pieceOf(device: BlockDevice, runs: readonly BlockRange[]): Promise<Piece> {
  if (device.fd !== undefined) return { kind: "file", fd: device.fd, runs };
  return { kind: "data", data: await readRuns(device, runs) };
}
