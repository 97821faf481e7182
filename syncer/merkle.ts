import { hash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { HomewardError } from "../common/errors.ts";
import { mapOrdered } from "../common/ordered.ts";
import { noProgress, type Progress } from "../common/progress.ts";
import type { Bitmap } from "./bitmap.ts";
import type { BlockDevice, BlockRange } from "./block-device.ts";
import { LEAF_BLOCKS, LEAF_HASH_BYTES, ZERO_LEAF } from "./hash-jobs.ts";
import type { HashPool } from "./hash-pool.ts";
import { decodeLeaves, encodeLeaves } from "./merkle-file.ts";
import { NODE_FAN_OUT, NodeLevels } from "./merkle-nodes.ts";
import { blocksIn, groupRuns, pieceOf, type Runs } from "./pieces.ts";

export interface MerkleOptions {
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** SHA-256 of the last leaf of a device when that leaf is short and all zero. */
function zeroTail(blocks: number): Buffer {
  const rest = blocks % LEAF_BLOCKS;
  return rest === 0 ? ZERO_LEAF : hash("sha256", Buffer.alloc(rest * 4096), "buffer");
}

/** Blocks that ranges which touch each other are merged to at most; whole leaves. */
const RANGE_BLOCKS = 256 * LEAF_BLOCKS;

/** Copied between two turns of the event loop. */
const COPY_BYTES = 1024 * 1024;

/** Widens ascending ranges to whole leaves and merges those that touch. */
class LeafRanges {
  readonly #blocks: number;
  #start = -1;
  #end = -1;

  constructor(blocks: number) {
    this.#blocks = blocks;
  }

  /** @returns the range before, once it cannot grow any more, or a piece of it */
  add(range: BlockRange): BlockRange | undefined {
    const from = Math.floor(range.block / LEAF_BLOCKS) * LEAF_BLOCKS;
    const to = Math.min(this.#blocks, Math.ceil((range.block + range.count) / LEAF_BLOCKS) * LEAF_BLOCKS);
    if (range.block < 0 || range.block + range.count > this.#blocks || from < this.#start)
      throw new HomewardError("INTERNAL", "ranges of a device must ascend and lie inside of it");
    const before = from > this.#end ? this.rest() : this.#piece(from);
    if (this.#start < 0) this.#start = from;
    this.#end = Math.max(this.#end, to);
    return before;
  }

  /** Ranges of a machine that is dirty all over touch each other: without this all of it would be gone through in one turn. */
  #piece(from: number): BlockRange | undefined {
    const range = { block: this.#start, count: from - this.#start };
    if (this.#start < 0 || range.count < RANGE_BLOCKS) return undefined;
    this.#start = from;
    return range;
  }

  rest(): BlockRange | undefined {
    if (this.#start < 0) return undefined;
    const range = { block: this.#start, count: this.#end - this.#start };
    this.#start = -1;
    return range;
  }
}

async function* wholeLeavesAsync(ranges: AsyncIterable<BlockRange>, leaves: LeafRanges): AsyncGenerator<BlockRange> {
  for await (const range of ranges) {
    const before = leaves.add(range);
    if (before !== undefined) yield before;
  }
  const last = leaves.rest();
  if (last !== undefined) yield last;
}

function* wholeLeavesSync(ranges: Iterable<BlockRange>, leaves: LeafRanges): Generator<BlockRange, void, undefined> {
  for (const range of ranges) {
    const before = leaves.add(range);
    if (before !== undefined) yield before;
  }
  const last = leaves.rest();
  if (last !== undefined) yield last;
}

function wholeLeaves(ranges: Runs, blocks: number): Runs {
  const leaves = new LeafRanges(blocks);
  return Symbol.asyncIterator in ranges ? wholeLeavesAsync(ranges, leaves) : wholeLeavesSync(ranges, leaves);
}

/**
 * A Merkle tree over a device: SHA-256 of every 64 KiB leaf, nodes of up to 256 children, and a root that binds the
 * device's length (merkle-nodes.ts has the exact preimages). Immutable.
 */
export class MerkleTree {
  readonly blocks: number;
  readonly #nodes: NodeLevels;

  private constructor(blocks: number, nodes: NodeLevels) {
    this.blocks = blocks;
    this.#nodes = nodes;
  }

  /** Reads the whole device, except for what allocatedAnywhere() leaves out. */
  static async build(device: BlockDevice, pool: HashPool, options: MerkleOptions = {}): Promise<MerkleTree> {
    const count = Math.ceil(device.blocks / LEAF_BLOCKS);
    const leaves = Buffer.allocUnsafeSlow(count * LEAF_HASH_BYTES);
    leaves.fill(ZERO_LEAF);
    if (count > 0) zeroTail(device.blocks).copy(leaves, (count - 1) * LEAF_HASH_BYTES);
    const ranges = device.allocatedAnywhere?.() ?? [{ block: 0, count: device.blocks }];
    await hashInto(leaves, device, wholeLeaves(ranges, device.blocks), pool, options);
    return new MerkleTree(device.blocks, await NodeLevels.over(leaves, device.blocks));
  }

  /** The tree of a device that differs from this tree's device in the dirty blocks only; reads only their leaves. */
  async update(device: BlockDevice, dirty: Bitmap, pool: HashPool, options: MerkleOptions = {}): Promise<MerkleTree> {
    if (device.blocks !== this.blocks || dirty.blocks !== this.blocks)
      throw new HomewardError("INTERNAL", "a tree cannot be updated from a device of another size");
    const leaves = await copyOf(this.#nodes.leaves);
    await hashInto(leaves, device, wholeLeaves(dirty.runs(), this.blocks), pool, options);
    return new MerkleTree(this.blocks, await NodeLevels.over(leaves, this.blocks));
  }

  /** SHA-256 in hexadecimal; names the device's content and length. */
  get root(): string {
    return this.#nodes.root;
  }

  get leafCount(): number {
    return this.#nodes.count(0);
  }

  /** SHA-256 of the leaf's blocks. */
  leaf(index: number): Buffer {
    return this.#nodes.hashes(0, index, 1);
  }

  /** How many levels of hashes there are; 0 is the leaves, the last one has a single node (none when empty). */
  get levels(): number {
    return this.#nodes.levels;
  }

  levelCount(level: number): number {
    return this.#nodes.count(level);
  }

  /** `count` hashes of 32 bytes from one level. A view. */
  levelHashes(level: number, from: number, count: number): Buffer {
    return this.#nodes.hashes(level, from, count);
  }

  /** For a file; holds the leaves that are not zero, and the root as a check. */
  encode(): Promise<Buffer> {
    return encodeLeaves(this.#nodes.leaves, this.blocks, this.root);
  }

  /**
   * @param expected blocks that the device has; to be given for a tree from elsewhere
   * @throws DAMAGED when the data does not have the root that it names
   */
  static async decode(data: Uint8Array, expected?: number): Promise<MerkleTree> {
    const { leaves, blocks, root } = await decodeLeaves(data, expected);
    const nodes = await NodeLevels.over(leaves, blocks);
    if (nodes.root !== root)
      throw new HomewardError("DAMAGED", "a stored hash tree does not have its root", {
        data: { expected: root, actual: nodes.root },
      });
    return new MerkleTree(blocks, nodes);
  }
}

/** In steps: the first use of fresh memory takes milliseconds for that of a large machine. */
async function copyOf(leaves: Buffer): Promise<Buffer> {
  const copy = Buffer.allocUnsafeSlow(leaves.length);
  for (let at = 0; at < leaves.length; at += COPY_BYTES) {
    leaves.copy(copy, at, at, at + COPY_BYTES);
    await setImmediate();
  }
  return copy;
}

async function hashInto(
  leaves: Buffer,
  device: BlockDevice,
  ranges: Runs,
  pool: HashPool,
  options: MerkleOptions,
): Promise<void> {
  const { progress = noProgress, signal } = options;
  const hashed = mapOrdered(
    groupRuns(ranges),
    pool.parallelism,
    async (runs) => ({ runs, hashes: await pool.hashLeaves(await pieceOf(device, runs)) }),
    signal,
  );
  let done = 0;
  for await (const { runs, hashes } of hashed) {
    let at = 0;
    for (const run of runs) {
      const bytes = Math.ceil(run.count / LEAF_BLOCKS) * LEAF_HASH_BYTES;
      leaves.set(hashes.subarray(at, at + bytes), (run.block / LEAF_BLOCKS) * LEAF_HASH_BYTES);
      at += bytes;
    }
    done += blocksIn(runs);
    progress.update({ phase: "verify", done, unit: "blocks" });
  }
}

export { NODE_FAN_OUT };
