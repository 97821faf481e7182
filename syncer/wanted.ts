import { setImmediate } from "node:timers/promises";
import { DEVICES, HASH_BYTES, type DeviceName } from "../protocol/residual/limits.ts";
import { tableSize } from "./distinct.ts";
import type { Place } from "./places.ts";

/** Distinct contents that are looked for, by their hashes. */
export interface SoughtContents {
  readonly contents: number;
  /** How many bits of each hash are known; the others are zero. */
  readonly hashBits: number;
  /** Bits 0 to 31 of each content's hash, from the top. */
  readonly high: Uint32Array;
  /** Bits 32 to 47. */
  readonly low: Uint16Array;
}

const EMPTY = 0xffff_ffff;
/** Contents entered into the table in one turn of the event loop. */
const CONTENTS_PER_TURN = 4 * 1024;
/** Codes of #where; a content not found has 0. */
const WHERE: readonly (DeviceName | undefined)[] = [undefined, ...DEVICES];

/** Whether a place is better than the one at which a content was found first; `before` is where the content before it is. */
export type IsBetter = (content: number, place: Place, before: Place | undefined) => boolean;

/**
 * Hashes that are looked for, as an open-addressing table, and where each was found. A few dozen bytes for each wanted
 * content; the blocks searched are streamed past it.
 */
export class WantedContents {
  readonly #isBetter: IsBetter;
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

  private constructor(sought: SoughtContents, isBetter: IsBetter) {
    this.#isBetter = isBetter;
    this.#high = sought.high;
    this.#low = sought.low;
    this.#missing = sought.contents;
    this.#where = new Uint8Array(sought.contents);
    this.#block = new Uint32Array(sought.contents);
    const bits = sought.hashBits;
    this.#highMask = bits >= 32 ? 0xffff_ffff : (0xffff_ffff << (32 - bits)) >>> 0;
    this.#lowMask = bits <= 32 ? 0 : (0xffff << (48 - bits)) & 0xffff;
    // Without hashes nothing can be found.
    this.#table = new Uint32Array(tableSize(bits === 0 ? 0 : sought.contents)).fill(EMPTY);
    this.#shift = 32 - Math.log2(this.#table.length);
  }

  /** @param isBetter without it the first place is as good as any */
  static async of(sought: SoughtContents, isBetter: IsBetter = () => false): Promise<WantedContents> {
    const wanted = new WantedContents(sought, isBetter);
    await setImmediate();
    for (let content = 0; content < sought.contents && sought.hashBits > 0; content++) {
      wanted.#insert(content);
      if (content % CONTENTS_PER_TURN === CONTENTS_PER_TURN - 1) await setImmediate();
    }
    return wanted;
  }

  /** How many contents were not found so far. */
  get missing(): number {
    return this.#missing;
  }

  isFound(content: number): boolean {
    return this.#where[content] !== 0;
  }

  /** Where the content was found, or undefined. */
  location(content: number): Place | undefined {
    const device = WHERE[this.#where[content] ?? 0];
    return device === undefined ? undefined : { device, block: this.#block[content] ?? 0 };
  }

  /**
   * Looks a stretch of hashes up. The first place found is kept, unless a later one is better.
   * @param hashes 8 bytes each; zero blocks are passed over
   * @param blockAt the block number that the hash with a given position stands for
   */
  search(hashes: Uint8Array, device: DeviceName, blockAt: (position: number) => number): void {
    const where = WHERE.indexOf(device);
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
      else if (!this.#isBetter(content, { device, block }, this.location(content - 1))) continue;
      this.#where[content] = where;
      this.#block[content] = block;
    }
  }
}
