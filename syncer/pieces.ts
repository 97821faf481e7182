import { freeBuffer } from "../common/free-buffer.ts";
import { BLOCK_BYTES, type BlockRange } from "../protocol/residual/limits.ts";
import type { BlockDevice } from "./block-device.ts";

/** Blocks handed to a worker: the bytes themselves, or where in an open file the worker reads them. */
export type Piece =
  | { readonly kind: "data"; readonly data: Uint8Array }
  | { readonly kind: "file"; readonly fd: number; readonly runs: readonly BlockRange[] };

/** Blocks that one piece holds at most (1 MiB): long enough to hide a message's cost, short enough to spread the work. */
export const PIECE_BLOCKS = 256;

/** Runs, from memory or as they are read. */
export type Runs = Iterable<BlockRange> | AsyncIterable<BlockRange>;

/** Collects runs until a group holds `maxBlocks` blocks; a run may be cut. */
class RunGroup {
  readonly #maxBlocks: number;
  #group: BlockRange[] = [];
  #room: number;

  constructor(maxBlocks: number) {
    this.#maxBlocks = maxBlocks;
    this.#room = maxBlocks;
  }

  /** Yields the groups that the run fills. */
  *add(run: BlockRange): Generator<BlockRange[], void, undefined> {
    let { block, count } = run;
    while (count > 0) {
      const taken = Math.min(count, this.#room);
      this.#group.push({ block, count: taken });
      block += taken;
      count -= taken;
      this.#room -= taken;
      if (this.#room === 0) yield* this.rest();
    }
  }

  *rest(): Generator<BlockRange[], void, undefined> {
    if (this.#group.length > 0) yield this.#group;
    this.#group = [];
    this.#room = this.#maxBlocks;
  }
}

async function* groupAsync(runs: AsyncIterable<BlockRange>, group: RunGroup): AsyncGenerator<BlockRange[]> {
  for await (const run of runs) yield* group.add(run);
  yield* group.rest();
}

function* groupSync(runs: Iterable<BlockRange>, group: RunGroup): Generator<BlockRange[], void, undefined> {
  for (const run of runs) yield* group.add(run);
  yield* group.rest();
}

/** Cuts runs into groups of at most `maxBlocks` blocks, in order. */
export function groupRuns(
  runs: Runs,
  maxBlocks: number = PIECE_BLOCKS,
): Iterable<BlockRange[]> | AsyncIterable<BlockRange[]> {
  const group = new RunGroup(maxBlocks);
  // A promise for every run of a scattered bitmap would be most of the work, and a hundred bytes of garbage each.
  return Symbol.asyncIterator in runs ? groupAsync(runs, group) : groupSync(runs, group);
}

/** How many blocks the runs hold. */
export function blocksIn(runs: readonly BlockRange[]): number {
  return runs.reduce((sum, run) => sum + run.count, 0);
}

/** Blocks between two runs that are read along with them: a call costs more than so much more data. */
const GAP_BLOCKS = 8;
/** Blocks of one such call at most. */
const STRETCH_BLOCKS = 64;

/** Runs that are read with one call. */
interface Stretch {
  readonly runs: BlockRange[];
  end: number;
}

function stretches(runs: readonly BlockRange[]): Stretch[] {
  const all: Stretch[] = [];
  for (const run of runs) {
    const [last, end] = [all.at(-1), run.block + run.count];
    const start = last?.runs[0]?.block ?? 0;
    const isNear = last !== undefined && run.block >= last.end && run.block - last.end <= GAP_BLOCKS;
    if (!isNear || end - start > STRETCH_BLOCKS) all.push({ runs: [run], end });
    else {
      last.runs.push(run);
      last.end = end;
    }
  }
  return all;
}

/** Reads several runs into one buffer, in order. */
export async function readRuns(device: BlockDevice, runs: readonly BlockRange[]): Promise<Buffer> {
  const [first] = runs;
  if (first !== undefined && runs.length === 1) return device.read(first.block, first.count);
  const joined = Buffer.allocUnsafeSlow(blocksIn(runs) * BLOCK_BYTES);
  let to = 0;
  await Promise.all(
    stretches(runs).map(async (stretch) => {
      const start = stretch.runs[0]?.block ?? 0;
      let at = to;
      to += blocksIn(stretch.runs) * BLOCK_BYTES;
      const data = await device.read(start, stretch.end - start);
      for (const { block, count } of stretch.runs)
        at += data.copy(joined, at, (block - start) * BLOCK_BYTES, (block - start + count) * BLOCK_BYTES);
      freeBuffer(data);
    }),
  );
  return joined;
}

/** The runs as a piece: by reference to the file where the device is one, else read here. */
export async function pieceOf(device: BlockDevice, runs: readonly BlockRange[]): Promise<Piece> {
  if (device.fd !== undefined) return { kind: "file", fd: device.fd, runs };
  return { kind: "data", data: await readRuns(device, runs) };
}
