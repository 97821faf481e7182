import { HASH_BYTES, type DeviceName } from "../protocol/residual/limits.ts";
import { tableSize } from "./distinct.ts";
import type { IncomingIndex } from "./incoming-index.ts";
import type { Place } from "./places.ts";

/** Where a content was found: which side's which device. */
export type Origin = "generation" | "twin";
export interface Location extends Place {
  readonly origin: Origin;
}

const EMPTY = 0xffff_ffff;
/** Codes of #where; a content not found has 0. */
const WHERE: readonly (Omit<Location, "block"> | undefined)[] = [
  undefined,
  { origin: "generation", device: "ram" },
  { origin: "generation", device: "disk" },
  { origin: "twin", device: "ram" },
  { origin: "twin", device: "disk" },
];

/**
 * The hashes that the destination looks for, as an open-addressing table, and where each was found first. A few dozen
 * bytes for each wanted content; the blocks searched are streamed past it.
 */
export class WantedContents {
  readonly #index: IncomingIndex;
  readonly #high: Uint32Array;
  readonly #low: Uint16Array;
  readonly #table: Uint32Array;
  readonly #where: Uint8Array;
  readonly #block: Uint32Array;
  readonly #highMask: number;
  readonly #lowMask: number;
  /** Leaves as many high bits of a 32-bit product as the table has slots for. */
  readonly #shift: number;
  #missing: number;

  /** @param index complete */
  constructor(index: IncomingIndex) {
    this.#index = index;
    this.#high = index.high;
    this.#low = index.low;
    this.#missing = index.contents;
    this.#where = new Uint8Array(index.contents);
    this.#block = new Uint32Array(index.contents);
    const bits = index.hashBits;
    this.#highMask = bits >= 32 ? 0xffff_ffff : (0xffff_ffff << (32 - bits)) >>> 0;
    this.#lowMask = bits <= 32 ? 0 : (0xffff << (48 - bits)) & 0xffff;
    this.#table = new Uint32Array(tableSize(index.contents)).fill(EMPTY);
    this.#shift = 32 - Math.log2(this.#table.length);
    for (let content = 0; content < index.contents; content++) this.#insert(content);
  }

  /** How many contents were not found so far. */
  get missing(): number {
    return this.#missing;
  }

  isFound(content: number): boolean {
    return this.#where[content] !== 0;
  }

  /** How many contents were found in which state. */
  counts(): Record<Origin, number> {
    const counts = { generation: 0, twin: 0 };
    for (const where of this.#where) {
      const origin = WHERE[where]?.origin;
      if (origin !== undefined) counts[origin]++;
    }
    return counts;
  }

  /** Where the content was found, or undefined. */
  location(content: number): Location | undefined {
    const where = WHERE[this.#where[content] ?? 0];
    return where === undefined ? undefined : { ...where, block: this.#block[content] ?? 0 };
  }

  /**
   * Looks a stretch of hashes up. The first place found is kept, unless a later one has the address where the content
   * belongs: that is more likely to be no false hit.
   * @param hashes 8 bytes each; zero blocks are passed over
   * @param blockAt the block number that the hash with a given position stands for
   */
  search(hashes: Uint8Array, origin: Origin, device: DeviceName, blockAt: (position: number) => number): void {
    const where = WHERE.findIndex((one) => one?.origin === origin && one.device === device);
    const view = new DataView(hashes.buffer, hashes.byteOffset, hashes.byteLength);
    const count = hashes.length / HASH_BYTES;
    for (let position = 0; position < count; position++) {
      const high = view.getUint32(position * HASH_BYTES);
      const low = view.getUint32(position * HASH_BYTES + 4);
      if (high === 0 && low === 0) continue;
      this.#found((high & this.#highMask) >>> 0, (low >>> 16) & this.#lowMask, where, device, position, blockAt);
    }
  }

  #slot(high: number): number {
    // The index may carry few bits and they are the high ones: spread them over the table (Knuth, multiplicative).
    return Math.imul(high, 0x9e37_79b1) >>> this.#shift;
  }

  #insert(content: number): void {
    const mask = this.#table.length - 1;
    let slot = this.#slot(this.#high[content] ?? 0);
    while (this.#table[slot] !== EMPTY) slot = (slot + 1) & mask;
    this.#table[slot] = content;
  }

  #found(
    high: number,
    low: number,
    where: number,
    device: DeviceName,
    position: number,
    blockAt: (position: number) => number,
  ): void {
    const mask = this.#table.length - 1;
    for (let slot = this.#slot(high); ; slot = (slot + 1) & mask) {
      const content = this.#table[slot] ?? EMPTY;
      if (content === EMPTY) return;
      if (this.#high[content] !== high || this.#low[content] !== low) continue;
      const block = blockAt(position);
      if (this.#where[content] === 0) this.#missing--;
      else {
        const own = this.#index.place(content);
        if (own.block !== block || own.device !== device) continue;
      }
      this.#where[content] = where;
      this.#block[content] = block;
    }
  }
}
