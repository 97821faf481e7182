import { HASH_BYTES } from "../protocol/residual/limits.ts";

/** Content numbers are kept in 32-bit tables; free places hold this. */
const FREE = 0xffff_ffff;

/** Smallest power of two that leaves an open-addressing table at most half full. */
export function tableSize(entries: number): number {
  return 2 ** Math.max(4, Math.ceil(Math.log2(entries * 2 + 1)));
}

/**
 * Numbers distinct contents in the order in which they are first seen, by 8 bytes of SHA-1. Takes 20 to 28 bytes for each
 * of `capacity` contents.
 */
export class DistinctContents {
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;
  readonly #table: Uint32Array;
  #count = 0;

  constructor(capacity: number) {
    this.#high = new Uint32Array(capacity);
    this.#low = new Uint32Array(capacity);
    this.#table = new Uint32Array(tableSize(capacity)).fill(FREE);
  }

  get count(): number {
    return this.#count;
  }

  /** Bits 0 to 31 of each content's hash. */
  get high(): Uint32Array {
    return this.#high.subarray(0, this.#count);
  }

  /** Bits 32 to 63. */
  get low(): Uint32Array {
    return this.#low.subarray(0, this.#count);
  }

  /** The number of the content with the hash at `at`; equal to the count before the call when it is a new one. */
  number(hashes: DataView, at: number): number {
    const high = hashes.getUint32(at);
    const low = hashes.getUint32(at + HASH_BYTES / 2);
    const mask = this.#table.length - 1;
    // SHA-1 is its own hash function; the low half is as good as any bits of it.
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      const content = this.#table[slot] ?? FREE;
      if (content === FREE) {
        this.#table[slot] = this.#count;
        this.#high[this.#count] = high;
        this.#low[this.#count] = low;
        return this.#count++;
      }
      if (this.#low[content] === low && this.#high[content] === high) return content;
    }
  }
}
