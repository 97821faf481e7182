import { throwIfAborted } from "../common/abort.ts";
import { freeBuffer } from "../common/free-buffer.ts";
import type { BlockDevice, WritableBlockDevice } from "./block-device.ts";
import type { HashPool } from "./hash-pool.ts";
import { readBlocks, writeBlocks, type BlockOf } from "./places.ts";

export interface BlockCopy {
  readonly from: BlockOf<BlockDevice>;
  readonly to: BlockOf<WritableBlockDevice>;
}

/** Blocks read before they are written: 1 MiB. With four times as many the event loop would be held up for 10 ms. */
const COPIES_AT_ONCE = 256;

/**
 * Copies blocks between devices, many at a time. A block must not be read after it was written here.
 * @param onProgress called with how many were copied so far
 */
export async function copyBlocks(
  copies: Iterable<BlockCopy>,
  pool: HashPool,
  onProgress: (done: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  let batch: BlockCopy[] = [];
  let done = 0;
  const flush = async (): Promise<void> => {
    throwIfAborted(signal);
    const content = await readBlocks(
      batch.map(({ from }) => from),
      pool,
    );
    await writeBlocks(
      batch.map(({ to }) => to),
      content,
      pool,
    );
    freeBuffer(content);
    done += batch.length;
    onProgress(done);
    batch = [];
  };
  for (const copy of copies) {
    batch.push(copy);
    if (batch.length >= COPIES_AT_ONCE) await flush();
  }
  if (batch.length > 0) await flush();
}
