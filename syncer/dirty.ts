import { HomewardError } from "../common/errors.ts";
import { mapOrdered } from "../common/ordered.ts";
import { noProgress, type Progress } from "../common/progress.ts";
import { Bitmap } from "./bitmap.ts";
import type { BlockDevice, BlockRange } from "./block-device.ts";
import type { HashPool } from "./hash-pool.ts";
import { blocksIn, groupRuns, PIECE_BLOCKS, pieceOf } from "./pieces.ts";

/** Blocks that a worker is told to compare in two files at once (4 MiB): comparing them takes less time than two messages. */
const FILE_BLOCKS = 1024;

export interface DirtyOptions {
  /** Where the devices can differ at all, e.g. what the running overlay holds; default: anywhere. Need not be sorted. */
  readonly candidates?: Iterable<BlockRange> | AsyncIterable<BlockRange>;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/**
 * The blocks of `current` that differ from `base`. Compares in the pool's threads; hashes nothing.
 * @throws DAMAGED when the devices have different sizes
 */
export async function dirtyBlocks(
  current: BlockDevice,
  base: BlockDevice,
  pool: HashPool,
  options: DirtyOptions = {},
): Promise<Bitmap> {
  if (current.blocks !== base.blocks)
    throw new HomewardError("DAMAGED", "a device changed its size since its generation", {
      data: { blocks: current.blocks, generation: base.blocks },
    });
  const { candidates, progress = noProgress, signal } = options;
  const dirty = new Bitmap(current.blocks);
  const inFiles = current.fd !== undefined && base.fd !== undefined;
  const compared = mapOrdered(
    groupRuns(candidates ?? [{ block: 0, count: current.blocks }], inFiles ? FILE_BLOCKS : PIECE_BLOCKS),
    pool.parallelism,
    async (runs) => {
      const [left, right] = await Promise.all([pieceOf(current, runs), pieceOf(base, runs)]);
      return { runs, bits: await pool.differing(left, right) };
    },
    signal,
  );
  let done = 0;
  for await (const { runs, bits } of compared) {
    let bit = 0;
    for (const run of runs) {
      for (let i = 0; i < run.count; i++, bit++)
        if (((bits[bit >>> 3] ?? 0) & (1 << (bit & 7))) !== 0) dirty.set(run.block + i);
    }
    done += blocksIn(runs);
    progress.update({
      phase: "compare",
      done,
      unit: "blocks",
      ...(candidates === undefined ? { total: current.blocks } : {}),
    });
  }
  return dirty;
}
