import { hash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { ByteWriter } from "../common/bytes.ts";
import { HomewardError } from "../common/errors.ts";
import { BLOCK_BYTES } from "../protocol/residual/limits.ts";
import { LEAF_HASH_BYTES } from "./hash-jobs.ts";

export const NODE_FAN_OUT = 256;
/** Nodes hashed between two turns of the event loop (8 KiB each). */
const NODES_PER_TURN = 64;

/**
 * The levels of hashes above the leaves of a Merkle tree. Preimages, each the input of one SHA-256:
 * leaf: its blocks (a multiple of 4096 bytes); node: 0x01, the level as one byte, the hashes of its children (2 more
 * than a multiple of 32 bytes, so never a leaf); root: 0x02, the device's length in bytes as u64, the topmost node.
 */
export class NodeLevels {
  readonly root: string;
  readonly #levels: readonly Buffer[];

  private constructor(levels: readonly Buffer[], root: string) {
    this.#levels = levels;
    this.root = root;
  }

  /** @param leaves 32 bytes for each leaf of a device of `blocks` blocks; kept, not copied */
  static async over(leaves: Buffer, blocks: number): Promise<NodeLevels> {
    const levels = [leaves];
    let top = leaves;
    while (top.length > LEAF_HASH_BYTES) {
      top = await parents(top, levels.length);
      levels.push(top);
    }
    const preimage = new ByteWriter().u8(2).u64(BigInt(blocks) * BigInt(BLOCK_BYTES)).bytes(top);
    return new NodeLevels(levels, hash("sha256", preimage.finish()));
  }

  get leaves(): Buffer {
    return this.#level(0);
  }

  get levels(): number {
    return this.#levels.length;
  }

  count(level: number): number {
    return this.#level(level).length / LEAF_HASH_BYTES;
  }

  hashes(level: number, from: number, count: number): Buffer {
    if (from < 0 || count < 0 || from + count > this.count(level))
      throw new HomewardError("INTERNAL", `a hash tree has no nodes ${from}+${count} at level ${level}`);
    return this.#level(level).subarray(from * LEAF_HASH_BYTES, (from + count) * LEAF_HASH_BYTES);
  }

  #level(level: number): Buffer {
    const hashes = this.#levels[level];
    if (hashes === undefined) throw new HomewardError("INTERNAL", `a hash tree has no level ${level}`);
    return hashes;
  }
}

async function parents(children: Buffer, level: number): Promise<Buffer> {
  const span = NODE_FAN_OUT * LEAF_HASH_BYTES;
  const nodes = Buffer.allocUnsafeSlow(Math.ceil(children.length / span) * LEAF_HASH_BYTES);
  for (let at = 0, node = 0; at < children.length; at += span, node++) {
    const preimage = Buffer.concat([Buffer.of(1, level), children.subarray(at, at + span)]);
    hash("sha256", preimage, "buffer").copy(nodes, node * LEAF_HASH_BYTES);
    if (node % NODES_PER_TURN === NODES_PER_TURN - 1) await setImmediate();
  }
  return nodes;
}
