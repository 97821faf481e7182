import { rm } from "node:fs/promises";
import { throwIfAborted } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import { mapOrdered } from "../../common/ordered.ts";
import { openDisk, type DiskBlocks } from "../../vm/disk-blocks.ts";
import { createOverlay, imageVirtualBytes } from "../../vm/disk-image.ts";
import { syncFile } from "../store/durable.ts";
import type { OperationOptions, WorkspaceDeps } from "./dependencies.ts";

/** 1 MiB a request, a few at a time. */
const PIECE_BLOCKS = 256;
const PIECES_UNDER_WAY = 4;

async function* pieces(disk: DiskBlocks): AsyncGenerator<{ readonly block: number; readonly count: number }> {
  for await (const { block, count } of disk.allocatedAnywhere())
    for (let at = 0; at < count; at += PIECE_BLOCKS)
      yield { block: block + at, count: Math.min(PIECE_BLOCKS, count - at) };
}

/**
 * Writes what a chain of layers (absolute paths, top first) reads as into one new image that needs no other; durable when
 * it resolves, removed when it fails.
 * @throws CONFLICT if `to` exists, NO_ROOM, GUEST, CANCELLED
 */
export async function flattenDisk(
  deps: WorkspaceDeps,
  layers: readonly string[],
  to: string,
  options: OperationOptions,
): Promise<void> {
  const { signal, progress } = options;
  const [top] = layers;
  if (top === undefined) throw new HomewardError("INTERNAL", "a disk has at least one layer");
  await createOverlay(to, [], await imageVirtualBytes(top));
  const run = await deps.runDirs.scratch();
  const common = { runDir: run.dir, ...(signal === undefined ? {} : { signal }) };
  try {
    const from = await openDisk(layers, { ...common, writable: false });
    try {
      const target = await openDisk([to], { ...common, writable: true });
      try {
        const copy = async ({ block, count }: { block: number; count: number }): Promise<number> => {
          throwIfAborted(signal);
          await target.write(block, await from.read(block, count));
          return block + count;
        };
        for await (const done of mapOrdered(pieces(from), PIECES_UNDER_WAY, copy, signal))
          progress?.update({ phase: "copy disk", done, total: from.blocks, unit: "blocks" });
        await target.flush();
      } finally {
        await target.close();
      }
    } finally {
      await from.close();
    }
    await syncFile(to);
  } catch (error) {
    await rm(to, { force: true });
    throw error;
  } finally {
    await rm(run.dir, { recursive: true, force: true });
  }
}
