import { HASH_BYTES, type DeviceName } from "../protocol/residual/limits.ts";
import type { BlockHashes } from "./block-hashes.ts";
import { DistinctContents } from "./distinct.ts";
import { locateInGeneration, type LocateOptions } from "./locate.ts";
import type { PerDevice, Place } from "./places.ts";
import { WantedContents } from "./wanted.ts";

/** Stands for a block of zeroes among the numbers of contents. */
const ZERO = 0xffff_ffff;
/** Bits of a hash by which a content is told from another when the generation is searched. */
const HASH_BITS = 48;

/**
 * What the source's dirty blocks hold, and where the generation holds the same: both hosts have it, so that these contents
 * need no hash. Blocks are added in order; some 60 bytes each.
 */
export class DirtyContents {
  readonly #known: DistinctContents;
  /** The content of each block added. */
  readonly #contentOf: Uint32Array;
  #blocks = 0;
  #found: WantedContents | undefined;
  readonly #hash = new DataView(new ArrayBuffer(HASH_BYTES));

  /** @param capacity how many blocks will be added at most */
  constructor(capacity: number) {
    this.#known = new DistinctContents(capacity);
    this.#contentOf = new Uint32Array(capacity);
  }

  /** How many contents are distinct and not zero, wherever else they are. */
  get count(): number {
    return this.#known.count;
  }

  /** Adds the next blocks. @param hashes 8 bytes each */
  add(hashes: Uint8Array): void {
    const view = new DataView(hashes.buffer, hashes.byteOffset, hashes.byteLength);
    for (let at = 0; at < hashes.length; at += HASH_BYTES) {
      const isZero = view.getUint32(at) === 0 && view.getUint32(at + HASH_BYTES / 2) === 0;
      this.#contentOf[this.#blocks++] = isZero ? ZERO : this.#known.number(view, at);
    }
  }

  /** Looks for every content in the generation, once all blocks were added. */
  async locate(generation: PerDevice<BlockHashes>, options: LocateOptions): Promise<void> {
    const low = new Uint16Array(this.count);
    const { low: bits } = this.#known;
    for (let content = 0; content < low.length; content++) low[content] = (bits[content] ?? 0) >>> 16;
    const sought = { contents: this.count, hashBits: HASH_BITS, high: this.#known.high, low };
    // Files are read into memory in order: where one block follows the other there as it does here, few bytes say so.
    const wanted = await WantedContents.of(
      sought,
      (_content, { device, block }, before) => before?.device === device && before.block + 1 === block,
    );
    // What was read from the disk lies there in one piece more often than in memory.
    const devices: readonly DeviceName[] = ["disk", "ram"];
    for (const device of devices) await locateInGeneration(wanted, device, generation[device], options);
    this.#found = wanted;
  }

  /** The content of the nth block added; undefined if it is zero. */
  contentOf(n: number): number | undefined {
    const content = this.#contentOf[n] ?? ZERO;
    return content === ZERO ? undefined : content;
  }

  /** Where the generation holds a content, if it does. */
  inGeneration(content: number): Place | undefined {
    return this.#found?.location(content);
  }

  /** The hash of a content, 8 bytes that are valid until the next call. */
  hashOf(content: number): Uint8Array {
    this.#hash.setUint32(0, this.#known.high[content] ?? 0);
    this.#hash.setUint32(HASH_BYTES / 2, this.#known.low[content] ?? 0);
    return new Uint8Array(this.#hash.buffer);
  }
}
