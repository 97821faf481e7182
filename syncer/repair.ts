import { HomewardError } from "../common/errors.ts";
import type { Progress } from "../common/progress.ts";
import { DEVICES, type BlockRange, type DeviceName } from "../protocol/residual/limits.ts";
import {
  decodeNarrowRequest,
  decodeNodes,
  encodeNarrowRequest,
  encodeNodes,
  encodeRefetchRequest,
  MAX_NARROW_NODES,
  MAX_REFETCH_BLOCKS,
  NODE_PREFIX_BYTES,
  type RefetchDictionary,
} from "../protocol/residual/repair-messages.ts";
import { Bitmap } from "./bitmap.ts";
import { LEAF_BLOCKS, LEAF_HASH_BYTES } from "./hash-jobs.ts";
import type { HashPool } from "./hash-pool.ts";
import { NODE_FAN_OUT, type MerkleTree } from "./merkle.ts";
import { groupRuns } from "./pieces.ts";
import type { PerDevice, Place } from "./places.ts";
import type { ResidualSink } from "./residual-sink.ts";

export interface RepairOptions {
  /** After its finish(). */
  readonly sink: ResidualSink;
  /** The generation's trees. */
  readonly baseTrees: PerDevice<MerkleTree>;
  /** The roots that the source announced. */
  readonly expected: { readonly ramRoot: string; readonly diskRoot: string };
  /** Sends a narrow request and returns the source's one answer (answerNarrow there). */
  readonly askNodes: (request: Buffer) => Promise<Buffer>;
  /** Sends a refetch request and returns the source's frames (ResidualSource.refetch there). */
  readonly askBlocks: (request: Buffer) => AsyncIterable<Buffer>;
  readonly pool: HashPool;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

export interface VerifiedTrees extends PerDevice<MerkleTree> {
  /** Blocks that had to be fetched again. */
  readonly refetched: number;
}

/**
 * Builds the trees of what the destination wrote and compares their roots with the announced ones. A difference (a false
 * hit of a truncated hash) is narrowed down to its leaves, whose blocks are fetched again without trusting any hash:
 * first the dirty ones that were not shipped, and should that not be enough, all blocks of the leaf, and these without the
 * generation's blocks as dictionary: it may be this host's copy of them that is damaged.
 * @throws DAMAGED when a root still differs after that; PEER
 */
export async function verifyAndRepair(options: RepairOptions): Promise<VerifiedTrees> {
  const { sink, baseTrees, expected } = options;
  const roots = { ram: expected.ramRoot, disk: expected.diskRoot };
  const trees = { ram: baseTrees.ram, disk: baseTrees.disk };
  let refetched = 0;
  for (const device of DEVICES) {
    let tree = await trees[device].update(sink.out[device], sink.dirty[device], options.pool, pick(options));
    for (const { suspects, dictionary } of ATTEMPTS) {
      if (tree.root === roots[device]) break;
      const blocks = await wrongBlocks(tree, device, suspects(sink, device), options);
      await refetch(device, blocks, dictionary, options);
      refetched += blocks.count();
      tree = await tree.update(sink.out[device], blocks, options.pool, pick(options));
    }
    if (tree.root !== roots[device])
      throw new HomewardError("DAMAGED", `the ${device} that arrived is not what the other host sent`, {
        data: { expected: roots[device], actual: tree.root },
      });
    trees[device] = tree;
  }
  if (refetched > 0) await Promise.all([sink.out.ram.flush(), sink.out.disk.flush()]);
  return { ...trees, refetched };
}

interface Attempt {
  /** Undefined suspects every block. */
  readonly suspects: (sink: ResidualSink, device: DeviceName) => Bitmap | undefined;
  readonly dictionary: RefetchDictionary;
}

const ATTEMPTS: readonly Attempt[] = [
  { suspects: (sink, device) => sink.notShipped()[device], dictionary: "generation" },
  { suspects: () => undefined, dictionary: "none" },
];

/** The source's answer to a narrow request. @throws PEER or DAMAGED when the request is malformed */
export function answerNarrow(request: Buffer, trees: PerDevice<MerkleTree>): Buffer {
  const { device, level, nodes } = decodeNarrowRequest(request);
  const tree = trees[device];
  const last = nodes.at(-1);
  if (level >= tree.levels || (last !== undefined && last.block + last.count > tree.levelCount(level)))
    throw new HomewardError("PEER", "the other host asks for nodes that the hash tree does not have", {
      data: { device, level },
    });
  return encodeNodes(prefixesOf(tree, level, nodes));
}

function prefixesOf(tree: MerkleTree, level: number, nodes: readonly BlockRange[]): Buffer {
  const total = nodes.reduce((sum, range) => sum + range.count, 0);
  const prefixes = Buffer.allocUnsafe(total * NODE_PREFIX_BYTES);
  let to = 0;
  for (const { block, count } of nodes) {
    const hashes = tree.levelHashes(level, block, count);
    for (let at = 0; at < hashes.length; at += LEAF_HASH_BYTES, to += NODE_PREFIX_BYTES)
      hashes.copy(prefixes, to, at, at + NODE_PREFIX_BYTES);
  }
  return prefixes;
}

function pick({ progress, signal }: RepairOptions): { progress?: Progress; signal?: AbortSignal } {
  return { ...(progress === undefined ? {} : { progress }), ...(signal === undefined ? {} : { signal }) };
}

/** Walks both trees from the top down to the leaves that differ. */
async function differingLeaves(tree: MerkleTree, device: DeviceName, options: RepairOptions): Promise<Bitmap> {
  // The topmost node differs, or the roots would be equal.
  let differing = new Bitmap(tree.levelCount(tree.levels - 1));
  if (differing.blocks > 0) differing.set(0);
  for (let level = tree.levels - 2; level >= 0; level--) {
    const below = new Bitmap(tree.levelCount(level));
    const children = childRanges(differing, below.blocks);
    for await (const nodes of groupRuns(children, MAX_NARROW_NODES)) {
      const own = prefixesOf(tree, level, nodes);
      const answer = await options.askNodes(encodeNarrowRequest({ device, level, nodes }));
      markDifferences(below, nodes, own, decodeNodes(answer, own.length / NODE_PREFIX_BYTES));
    }
    differing = below;
  }
  return differing;
}

function* childRanges(parents: Bitmap, levelNodes: number): Generator<BlockRange, void, undefined> {
  for (const { block, count } of parents.runs()) {
    const first = block * NODE_FAN_OUT;
    yield { block: first, count: Math.min(levelNodes, (block + count) * NODE_FAN_OUT) - first };
  }
}

function markDifferences(into: Bitmap, nodes: readonly BlockRange[], own: Buffer, theirs: Buffer): void {
  let at = 0;
  for (const { block, count } of nodes) {
    for (let node = block; node < block + count; node++, at += NODE_PREFIX_BYTES)
      if (own.compare(theirs, at, at + NODE_PREFIX_BYTES, at, at + NODE_PREFIX_BYTES) !== 0) into.set(node);
  }
}

/** The blocks of the leaves that differ: those among the suspects, or all of a leaf that has no suspect. */
async function wrongBlocks(
  tree: MerkleTree,
  device: DeviceName,
  suspects: Bitmap | undefined,
  options: RepairOptions,
): Promise<Bitmap> {
  const blocks = new Bitmap(tree.blocks);
  for (const { block: leaf, count } of (await differingLeaves(tree, device, options)).runs()) {
    for (let i = leaf; i < leaf + count; i++) {
      const first = i * LEAF_BLOCKS;
      const size = Math.min(LEAF_BLOCKS, tree.blocks - first);
      let suspected = 0;
      for (let block = first; block < first + size; block++) {
        if (suspects?.has(block) !== true) continue;
        blocks.set(block);
        suspected++;
      }
      if (suspected === 0) blocks.setRange(first, size);
    }
  }
  return blocks;
}

/** Asks for the blocks and writes them, a bounded number at a time. */
async function refetch(
  device: DeviceName,
  blocks: Bitmap,
  dictionary: RefetchDictionary,
  options: RepairOptions,
): Promise<void> {
  const { sink, askBlocks } = options;
  for await (const ranges of groupRuns(blocks.runs(), MAX_REFETCH_BLOCKS)) {
    const decoder = sink.refetchDecoder(dictionary);
    const places = ranges.flatMap(({ block, count }) =>
      Array.from({ length: count }, (_, i): Place => ({ device, block: block + i })),
    );
    try {
      for await (const frame of askBlocks(encodeRefetchRequest({ device, dictionary, ranges }))) {
        const decoded = await decoder.decode(frame, (count) => {
          if (count > places.length)
            throw new HomewardError("PEER", "the other host sends more blocks again than was asked for");
          return places.splice(0, count);
        });
        await sink.overwrite(decoded.places, decoded.content, frame.length);
      }
    } finally {
      decoder.close();
    }
    if (places.length > 0) throw new HomewardError("PEER", "the other host sends fewer blocks again than was asked for");
  }
}
