import { throwIfAborted } from "../common/abort.ts";
import type { Progress } from "../common/progress.ts";
import { BLOCK_BYTES, type BlockDevice, type BlockRange } from "../syncer/index.ts";
import { BlockReader } from "./block-reader.ts";
import { kindByContents, looksLikeKernelStack, looksLikePageTable } from "./contents.ts";
import { DiskMap } from "./ext4.ts";
import { Frames } from "./frames.ts";
import { KernelMemory } from "./kernel-memory.ts";
import type { Kind } from "./kinds.ts";
import { Weigher, type KindWeight } from "./weigh.ts";

const PIECE_BLOCKS = 64;

/** One device at two moments, and blocks of it. */
export interface ExplainedDevice {
  readonly before: BlockDevice;
  readonly after: BlockDevice;
  /** In ascending order. */
  readonly blocks: Iterable<BlockRange>;
}

export interface ExplainOptions {
  readonly ram: ExplainedDevice;
  readonly disk: ExplainedDevice;
  /** zstd level that costs are estimated with, 1 to 19. */
  readonly level: number;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

export interface Explanation {
  /**
   * Where the kinds of memory are from: the kernel's array of page descriptors, or, where there is none of a known layout,
   * guesses by contents.
   */
  readonly by: "descriptors" | "contents";
  readonly kinds: readonly KindWeight[];
}

/**
 * Says of which kind the given blocks of a machine are and what they cost: what they take compressed with the old contents
 * of their addresses as dictionary, kind by kind. Reads RAM once to find the kernel's records, then only the blocks.
 */
export async function explainBlocks({ ram, disk, level, progress, signal }: ExplainOptions): Promise<Explanation> {
  const ramReader = new BlockReader(ram.after);
  const frames = new Frames(ram.after.blocks);
  const total = ram.after.blocks;
  const kernel = await KernelMemory.find(
    ramReader,
    frames,
    (done) => {
      progress.update({ phase: "read memory", done, total, unit: "blocks" });
    },
    signal,
  );
  const map = await DiskMap.read(new BlockReader(disk.after));
  const weigher = new Weigher(level);
  let done = 0;
  for (const { device, kindOf } of [
    { device: ram, kindOf: (block: number, data: Buffer) => kindOfPage(kernel, block, data, frames.blocks) },
    { device: disk, kindOf: (block: number, data: Buffer) => ({ kind: map.kindOf(block, data), name: null }) },
  ])
    for await (const { block, before, after } of pairs(device, signal)) {
      const { kind, name } = await kindOf(block, after);
      await weigher.add(kind, name, before, after);
      progress.update({ phase: "weigh blocks", done: ++done, unit: "blocks" });
    }
  return { by: kernel?.isBelieved === true ? "descriptors" : "contents", kinds: await weigher.finish() };
}

async function kindOfPage(kernel: KernelMemory | null, block: number, data: Buffer, frames: number): Promise<{ kind: Kind; name: string | null }> {
  const use = (await kernel?.useOf(block)) ?? null;
  if (use === null) return { kind: kindByContents(data, frames), name: null };
  if (use.kind !== null) return { kind: use.kind, name: use.name };
  // The kernel's own, of which its records say no more.
  if (looksLikePageTable(data, frames)) return { kind: "page-tables", name: null };
  return { kind: looksLikeKernelStack(data) ? "kernel-stack" : "kernel-other", name: null };
}

interface Pair {
  readonly block: number;
  readonly before: Buffer;
  readonly after: Buffer;
}

async function* pairs({ before, after, blocks }: ExplainedDevice, signal?: AbortSignal): AsyncGenerator<Pair> {
  for (const run of blocks)
    for (let block = run.block; block < run.block + run.count; block += PIECE_BLOCKS) {
      throwIfAborted(signal);
      const count = Math.min(PIECE_BLOCKS, run.block + run.count - block);
      const [old, now] = await Promise.all([before.read(block, count), after.read(block, count)]);
      for (let i = 0; i < count; i++) {
        const part = (data: Buffer): Buffer => data.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES);
        yield { block: block + i, before: part(old), after: part(now) };
      }
    }
}
