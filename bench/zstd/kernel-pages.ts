import { randomFillSync } from "node:crypto";
import { BLOCK_BYTES } from "../../syncer/index.ts";

const MIB = 1024 * 1024;
/** Bytes that are new in `current`. */
export const NEW_BYTES = (MIB / BLOCK_BYTES) * 8 * 12;

/** A MiB of pages like a kernel's, records of 64 bytes, and the same with eight records changed in every page. */
export function kernelPages(): [base: Buffer, current: Buffer] {
  const base = Buffer.alloc(MIB);
  for (let at = 0; at < MIB; at += 64) {
    base.writeBigUInt64LE(0xffff_8880_0000_0000n + BigInt(at * 7), at);
    randomFillSync(base, at + 16, 12);
  }
  const current = Buffer.from(base);
  for (let page = 0; page < MIB; page += BLOCK_BYTES)
    for (let n = 0; n < 8; n++) randomFillSync(current, page + 64 * (n * 7 + 1) + 16, 12);
  return [base, current];
}
