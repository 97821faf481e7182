import { setImmediate } from "node:timers/promises";
import { ByteReader, ByteWriter } from "../common/bytes.ts";
import { HomewardError } from "../common/errors.ts";
import { MAX_DEVICE_BLOCKS } from "../protocol/residual/limits.ts";
import { LEAF_BLOCKS, LEAF_HASH_BYTES, ZERO_LEAF } from "./hash-jobs.ts";

/**
 * The file form of a hash tree: "HWMT", version u8, blocks u64, root (32 bytes), one bit a leaf (lowest first; set where
 * the leaf is not 64 KiB of zeroes), then the hash of every leaf whose bit is set. Nodes are computed again when read.
 */
const MAGIC = Buffer.from("HWMT");
const VERSION = 1;

/** Octets of leaves looked at between two turns of the event loop: a millisecond or two. */
const OCTETS_PER_TURN = 1024;
/** Leaves whose bits fill a byte. */
const OCTET = 8 * LEAF_HASH_BYTES;
const ZERO_LEAVES = Buffer.alloc(OCTET, ZERO_LEAF);

function isZeroLeaf(leaves: Buffer, at: number): boolean {
  return leaves.compare(ZERO_LEAF, 0, LEAF_HASH_BYTES, at, at + LEAF_HASH_BYTES) === 0;
}

export async function encodeLeaves(leaves: Buffer, blocks: number, root: string): Promise<Buffer> {
  const count = leaves.length / LEAF_HASH_BYTES;
  const header = new ByteWriter().bytes(MAGIC).u8(VERSION).u64(BigInt(blocks)).bytes(Buffer.from(root, "hex")).finish();
  const present = new Uint8Array(Math.ceil(count / 8));
  const hashes = Buffer.allocUnsafeSlow(leaves.length);
  let end = 0;
  for (let octet = 0; octet < present.length; octet++) {
    const from = octet * OCTET;
    if (octet % OCTETS_PER_TURN === OCTETS_PER_TURN - 1) await setImmediate();
    // Eight at once: most of a disk was never written.
    if (from + OCTET <= leaves.length && leaves.compare(ZERO_LEAVES, 0, OCTET, from, from + OCTET) === 0) continue;
    for (let at = from, bit = 1; at < Math.min(leaves.length, from + OCTET); at += LEAF_HASH_BYTES, bit <<= 1) {
      if (isZeroLeaf(leaves, at)) continue;
      present[octet] = (present[octet] ?? 0) | bit;
      end += leaves.copy(hashes, end, at, at + LEAF_HASH_BYTES);
    }
  }
  return Buffer.concat([header, present, hashes.subarray(0, end)]);
}

/**
 * @param expected blocks of the device, where they are known: a bit in the file stands for a hash in memory
 * @throws DAMAGED
 */
export async function decodeLeaves(
  data: Uint8Array,
  expected?: number,
): Promise<{ leaves: Buffer; blocks: number; root: string }> {
  const reader = new ByteReader(data, "hash tree file");
  if (!reader.bytes(MAGIC.length).equals(MAGIC)) throw new HomewardError("DAMAGED", "not a hash tree file");
  const version = reader.u8();
  if (version !== VERSION) throw new HomewardError("DAMAGED", `hash tree file of unknown version ${version}`);
  const blocks = Number(reader.u64());
  if (blocks !== (expected ?? blocks)) throw new HomewardError("DAMAGED", "hash tree of a device of another size");
  if (blocks > MAX_DEVICE_BLOCKS) throw new HomewardError("DAMAGED", "hash tree of an impossibly large device");
  const root = reader.bytes(32).toString("hex");
  const count = Math.ceil(blocks / LEAF_BLOCKS);
  const present = reader.bytes(Math.ceil(count / 8));
  const leaves = Buffer.allocUnsafeSlow(count * LEAF_HASH_BYTES).fill(ZERO_LEAF);
  for (const [octet, bits] of present.entries()) {
    if (octet % OCTETS_PER_TURN === OCTETS_PER_TURN - 1) await setImmediate();
    if (bits === 0) continue;
    for (let bit = 0; bit < 8; bit++) {
      if ((bits & (1 << bit)) === 0) continue;
      const leaf = octet * 8 + bit;
      if (leaf >= count) throw new HomewardError("DAMAGED", "hash tree file names leaves beyond its end");
      leaves.set(reader.bytes(LEAF_HASH_BYTES), leaf * LEAF_HASH_BYTES);
    }
  }
  reader.end();
  return { leaves, blocks, root };
}
