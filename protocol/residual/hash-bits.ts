import { HomewardError } from "../../common/errors.ts";
import { HASH_BYTES } from "./limits.ts";

/**
 * Hashes as they travel: the first `bits` bits of each SHA-1, one after the other, highest bit first, the last byte
 * filled up with zero bits.
 */

export function packedBytes(count: number, bits: number): number {
  return Math.ceil((count * bits) / 8);
}

/** @param hashes 8 bytes for each hash; all its bits after `bits` are dropped */
export function packHashes(hashes: Uint8Array, bits: number): Buffer {
  const count = hashes.length / HASH_BYTES;
  const packed = Buffer.alloc(packedBytes(count, bits));
  let out = 0;
  let pending = 0;
  let pendingBits = 0;
  for (let i = 0; i < count; i++) {
    for (let left = bits, at = i * HASH_BYTES; left > 0; left -= 8, at++) {
      const taken = Math.min(8, left);
      pending = (pending << taken) | ((hashes[at] ?? 0) >>> (8 - taken));
      pendingBits += taken;
      if (pendingBits < 8) continue;
      pendingBits -= 8;
      packed[out++] = (pending >>> pendingBits) & 255;
      pending &= (1 << pendingBits) - 1;
    }
  }
  if (pendingBits > 0) packed[out] = (pending << (8 - pendingBits)) & 255;
  return packed;
}

/** The inverse: 8 bytes for each hash, zero after the first `bits` bits. @throws DAMAGED when the filling is not zero */
export function unpackHashes(packed: Uint8Array, count: number, bits: number): Uint8Array {
  const hashes = new Uint8Array(count * HASH_BYTES);
  let from = 0;
  let pending = 0;
  let pendingBits = 0;
  for (let i = 0; i < count; i++) {
    for (let left = bits, at = i * HASH_BYTES; left > 0; left -= 8, at++) {
      const taken = Math.min(8, left);
      if (pendingBits < taken) {
        pending = (pending << 8) | (packed[from++] ?? 0);
        pendingBits += 8;
      }
      pendingBits -= taken;
      hashes[at] = (pending >>> pendingBits) << (8 - taken);
      pending &= (1 << pendingBits) - 1;
    }
  }
  if (pending !== 0 || from !== packed.length)
    throw new HomewardError("DAMAGED", "the hashes of an index message do not fill it exactly");
  return hashes;
}

/** What a false hit costs: narrowing the difference down and fetching a leaf's blocks again, about 4 kB. */
const REPAIR_BITS = 8 * 4096;

/**
 * How many bits of each hash an index carries. Among `wanted` hashes and `candidates` blocks,
 * wanted * candidates / 2^bits false hits are expected, so the index and its repairs cost
 * wanted * (bits + candidates * REPAIR_BITS / 2^bits) bits. That is least where 2^bits = candidates * REPAIR_BITS * ln 2:
 * for a million candidates 35 bits (4.4 bytes), with 1.7 false hits in 57,000 hashes.
 */
export function chooseHashBits(candidates: number): number {
  const best = Math.ceil(Math.log2(Math.max(1, candidates) * REPAIR_BITS * Math.LN2));
  return Math.min(44, Math.max(28, best));
}
