import { rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { throwIfAborted } from "../common/abort.ts";
import { HomewardError } from "../common/errors.ts";
import { noProgress } from "../common/progress.ts";
import { openDisk, type DiskBlocks, type Extent } from "./disk-blocks.ts";
import { createOverlay, imageVirtualBytes, type ImageOptions } from "./layer-file.ts";
import { syncFiles } from "./device-state.ts";

export interface MergeOptions extends ImageOptions {
  /** Private folder for sockets. */
  readonly runDir: string;
}

/** 1 MiB, the largest single request. */
const PIECE_BLOCKS = 256;
const MAX_COPIES_IN_FLIGHT = 8;

async function copyPiece(from: DiskBlocks, to: DiskBlocks, block: number, count: number): Promise<void> {
  await to.write(block, await from.read(block, count));
}

/** Several pieces at a time. Waits for the ones under way before it throws, since the disks are closed then. */
async function copyExtents(
  from: DiskBlocks,
  to: DiskBlocks,
  extents: AsyncIterable<Extent>,
  options: ImageOptions,
): Promise<void> {
  const { progress = noProgress, signal } = options;
  const running = new Set<Promise<void>>();
  const copy = async (work: Promise<void>): Promise<void> => {
    const tracked = work.finally(() => running.delete(tracked));
    tracked.catch(() => undefined);
    running.add(tracked);
    if (running.size >= MAX_COPIES_IN_FLIGHT) await Promise.race(running);
  };
  try {
    for await (const { block, count, kind } of extents) {
      if (kind === "zero") await copy(to.writeZeroes(block, count));
      else
        for (let at = 0; at < count; at += PIECE_BLOCKS) {
          throwIfAborted(signal);
          await copy(copyPiece(from, to, block + at, Math.min(PIECE_BLOCKS, count - at)));
        }
      progress.update({ phase: "merge layers", done: block + count, total: from.blocks, unit: "blocks" });
    }
    await Promise.all(running);
  } finally {
    await Promise.allSettled(running);
  }
}

async function copyLayers(
  layers: readonly string[],
  part: string,
  options: MergeOptions,
): Promise<void> {
  const base = layers.slice(-1);
  const common = { runDir: options.runDir, ...(options.signal === undefined ? {} : { signal: options.signal }) };
  const from = await openDisk(layers, { ...common, writable: false });
  try {
    const to = await openDisk([part, ...base], { ...common, writable: true });
    try {
      await copyExtents(from, to, from.allocatedInTop(layers.length - 1), options);
      await to.flush();
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

/**
 * Writes one new layer with everything that `layers` (absolute paths, top first) hold above the last one, which stays
 * the layer below. Discarded ranges stay discarded. Durable when it resolves.
 * @throws USAGE for fewer than two layers, CONFLICT if one of them is being written, NO_ROOM, GUEST, CANCELLED
 */
export async function mergeLayers(layers: readonly string[], to: string, options: MergeOptions): Promise<void> {
  const [top] = layers;
  if (top === undefined || layers.length < 2)
    throw new HomewardError("USAGE", "merging needs a layer and the one below it");
  throwIfAborted(options.signal);
  const part = `${to}.part`;
  await rm(part, { force: true });
  try {
    await createOverlay(part, layers.slice(-1), await imageVirtualBytes(top));
    await copyLayers(layers, part, options);
    await syncFiles([part]);
    await rename(part, to);
    await syncFiles([dirname(to)]);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}
