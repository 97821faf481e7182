import { throwIfAborted } from "../common/abort.ts";
import { mapOrdered } from "../common/ordered.ts";
import type { Progress } from "../common/progress.ts";
import type { DeviceName } from "../protocol/residual/limits.ts";
import type { Bitmap } from "./bitmap.ts";
import type { BlockDevice } from "./block-device.ts";
import type { BlockHashes } from "./block-hashes.ts";
import type { HashPool } from "./hash-pool.ts";
import { blocksIn, groupRuns, pieceOf } from "./pieces.ts";
import type { WantedContents } from "./wanted.ts";

export interface LocateOptions {
  readonly pool: HashPool;
  readonly progress: Progress;
  readonly signal: AbortSignal | undefined;
}

/** Streams the cached hashes of a generation's device past the wanted ones. */
export async function locateInGeneration(
  wanted: WantedContents,
  device: DeviceName,
  hashes: BlockHashes,
  options: LocateOptions,
): Promise<void> {
  for await (const { block, hashes: stretch } of hashes.stretches()) {
    throwIfAborted(options.signal);
    if (wanted.missing === 0) return;
    wanted.search(stretch, device, (position) => block + position);
    options.progress.update({ phase: "resolve", done: block, total: hashes.blocks, unit: "blocks" });
  }
}

/** Hashes the twin's dirty blocks and streams them past the wanted ones. */
export async function locateInTwin(
  wanted: WantedContents,
  device: DeviceName,
  twin: BlockDevice,
  dirty: Bitmap,
  options: LocateOptions,
): Promise<void> {
  const { pool, progress, signal } = options;
  const hashed = mapOrdered(
    groupRuns(dirty.runs()),
    pool.parallelism,
    async (runs) => ({ runs, hashes: await pool.hashBlocks(await pieceOf(twin, runs)) }),
    signal,
  );
  const total = dirty.count();
  let done = 0;
  for await (const { runs, hashes } of hashed) {
    const blocks = runs.flatMap((run) => Array.from({ length: run.count }, (_, i) => run.block + i));
    wanted.search(hashes, device, (position) => blocks[position] ?? 0);
    done += blocksIn(runs);
    progress.update({ phase: "resolve", done, total, unit: "blocks" });
  }
}
