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

export function encodeLeaves(leaves: Buffer, blocks: number, root: string): Buffer {
  const count = leaves.length / LEAF_HASH_BYTES;
  const present = new Uint8Array(Math.ceil(count / 8));
  const writer = new ByteWriter(leaves.length + present.length + 64);
  writer.bytes(MAGIC).u8(VERSION).u64(BigInt(blocks)).bytes(Buffer.from(root, "hex"));
  for (let i = 0; i < count; i++) {
    const at = i * LEAF_HASH_BYTES;
    if (leaves.compare(ZERO_LEAF, 0, LEAF_HASH_BYTES, at, at + LEAF_HASH_BYTES) !== 0)
      present[i >>> 3] = (present[i >>> 3] ?? 0) | (1 << (i & 7));
  }
  writer.bytes(present);
  for (let i = 0; i < count; i++) {
    if (((present[i >>> 3] ?? 0) & (1 << (i & 7))) !== 0)
      writer.bytes(leaves.subarray(i * LEAF_HASH_BYTES, (i + 1) * LEAF_HASH_BYTES));
  }
  return writer.finish();
}

/** @throws DAMAGED */
export function decodeLeaves(data: Uint8Array): { leaves: Buffer; blocks: number; root: string } {
  const reader = new ByteReader(data, "hash tree file");
  if (!reader.bytes(MAGIC.length).equals(MAGIC)) throw new HomewardError("DAMAGED", "not a hash tree file");
  const version = reader.u8();
  if (version !== VERSION) throw new HomewardError("DAMAGED", `hash tree file of unknown version ${version}`);
  const blocks = Number(reader.u64());
  if (blocks > MAX_DEVICE_BLOCKS) throw new HomewardError("DAMAGED", "hash tree of an impossibly large device");
  const root = reader.bytes(32).toString("hex");
  const count = Math.ceil(blocks / LEAF_BLOCKS);
  const present = reader.bytes(Math.ceil(count / 8));
  const leaves = Buffer.allocUnsafeSlow(count * LEAF_HASH_BYTES);
  for (let i = 0; i < count; i++) {
    const known = ((present[i >>> 3] ?? 0) & (1 << (i & 7))) !== 0;
    leaves.set(known ? reader.bytes(LEAF_HASH_BYTES) : ZERO_LEAF, i * LEAF_HASH_BYTES);
  }
  reader.end();
  return { leaves, blocks, root };
}
