import { HomewardError } from "../common/errors.ts";
import type { BlockRange } from "./block-device.ts";

/** A set of block numbers below `blocks`, e.g. the dirty blocks of a device. One bit a block, lowest bit first. */
export class Bitmap {
  readonly blocks: number;
  readonly #words: Uint32Array;
  /** The same memory. */
  readonly #bytes: Uint8Array;

  constructor(blocks: number) {
    this.blocks = blocks;
    this.#words = new Uint32Array(Math.ceil(blocks / 32));
    this.#bytes = new Uint8Array(this.#words.buffer);
  }

  set(block: number): void {
    if (block < 0 || block >= this.blocks) throw new HomewardError("INTERNAL", `no block ${block} in the bitmap`);
    const at = block >>> 3;
    this.#bytes[at] = (this.#bytes[at] ?? 0) | (1 << (block & 7));
  }

  setRange(block: number, count: number): void {
    const end = block + count;
    let at = block;
    while (at < end) {
      if ((at & 7) !== 0 || end - at < 8) {
        this.set(at++);
        continue;
      }
      const bytes = Math.floor((end - at) / 8);
      this.#bytes.fill(255, at / 8, at / 8 + bytes);
      at += bytes * 8;
    }
    if (end > this.blocks) throw new HomewardError("INTERNAL", `no block ${end - 1} in the bitmap`);
  }

  has(block: number): boolean {
    return ((this.#bytes[block >>> 3] ?? 0) & (1 << (block & 7))) !== 0;
  }

  /** How many blocks are set. */
  count(): number {
    let total = 0;
    for (const word of this.#words) {
      if (word === 0) continue;
      // In parallel (Warren, Hacker's Delight, 5-1): sums of two bits, of four, of eight, of all.
      let sums = word - ((word >>> 1) & 0x5555_5555);
      sums = (sums & 0x3333_3333) + ((sums >>> 2) & 0x3333_3333);
      sums = (sums + (sums >>> 4)) & 0x0f0f_0f0f;
      total += Math.imul(sums, 0x0101_0101) >>> 24;
    }
    return total;
  }

  /** The set blocks as maximal ascending runs. */
  *runs(): Generator<BlockRange, void, undefined> {
    let start = -1;
    for (let block = 0; block < this.blocks; block++) {
      const byte = this.#bytes[block >>> 3] ?? 0;
      if ((block & 7) === 0 && (byte === 0 || byte === 255)) {
        // Eight at once: most of a large device is clean.
        if (byte === 0 && start >= 0) {
          yield { block: start, count: block - start };
          start = -1;
        } else if (byte === 255 && start < 0) start = block;
        block += 7;
        continue;
      }
      if ((byte & (1 << (block & 7))) !== 0) {
        if (start < 0) start = block;
      } else if (start >= 0) {
        yield { block: start, count: block - start };
        start = -1;
      }
    }
    if (start >= 0) yield { block: start, count: this.blocks - start };
  }

  /** The union of this and another set of the same size. */
  union(other: Bitmap): Bitmap {
    if (other.blocks !== this.blocks) throw new HomewardError("INTERNAL", "bitmaps of different sizes");
    const both = new Bitmap(this.blocks);
    for (let i = 0; i < this.#words.length; i++) both.#words[i] = (this.#words[i] ?? 0) | (other.#words[i] ?? 0);
    return both;
  }

  /** The blocks of this set that are not in another one of the same size. */
  without(other: Bitmap): Bitmap {
    if (other.blocks !== this.blocks) throw new HomewardError("INTERNAL", "bitmaps of different sizes");
    const rest = new Bitmap(this.blocks);
    for (let i = 0; i < this.#words.length; i++) rest.#words[i] = (this.#words[i] ?? 0) & ~(other.#words[i] ?? 0);
    return rest;
  }
}
