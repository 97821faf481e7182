import { HomewardError } from "../common/errors.ts";
import { encodeNeedMessage, MAX_NEED_CONTENTS, MAX_OFFERING_CONTENTS } from "../protocol/residual/need-message.ts";
import type { Bitmap } from "./bitmap.ts";
import type { BlockDevice } from "./block-device.ts";
import type { ExpectedPlace } from "./frames.ts";
import type { HashPool } from "./hash-pool.ts";
import type { IncomingIndex } from "./incoming-index.ts";
import { offerParts } from "./parts.ts";
import type { PerDevice, Place } from "./places.ts";
import type { WantedContents } from "./wanted.ts";

/** What may resemble the contents to come: the twin's blocks that are not the generation's. */
export interface Offering {
  readonly twin: PerDevice<BlockDevice>;
  readonly dirty: PerDevice<Bitmap>;
  readonly base: PerDevice<BlockDevice>;
  readonly pool: HashPool;
}

/** The contents that the destination asks for, in the order in which they come. */
export class NeededContents {
  readonly #index: IncomingIndex;
  readonly #contents: Uint32Array;
  /** For each of them the parts offered, one bit each. */
  readonly #offered: Uint8Array;
  #taken = 0;

  /** @param index complete, @param wanted after all searching */
  constructor(index: IncomingIndex, wanted: WantedContents) {
    this.#index = index;
    this.#contents = new Uint32Array(wanted.missing);
    this.#offered = new Uint8Array(wanted.missing);
    let needed = 0;
    for (let content = 0; content < index.contents; content++)
      if (!wanted.isFound(content)) this.#contents[needed++] = content;
  }

  get count(): number {
    return this.#contents.length;
  }

  /** How many have come so far. */
  get taken(): number {
    return this.#taken;
  }

  /** The need messages, at most 256 KiB each. @param offering absent without a twin */
  async *messages(offering: Offering | undefined): AsyncGenerator<Buffer, void, undefined> {
    const most = offering === undefined ? MAX_NEED_CONTENTS : MAX_OFFERING_CONTENTS;
    let from = 0;
    let asked = 0;
    while (from < this.#index.contents) {
      const beyond = this.#contents[asked + most] ?? this.#index.contents;
      const count = Math.min(MAX_NEED_CONTENTS, beyond - from);
      const bits = new Uint8Array(Math.ceil(count / 8));
      const first = asked;
      for (let content = this.#contents[asked] ?? Infinity; content < from + count; ) {
        const bit = content - from;
        bits[bit >>> 3] = (bits[bit >>> 3] ?? 0) | (1 << (bit & 7));
        content = this.#contents[++asked] ?? Infinity;
      }
      yield encodeNeedMessage({ from, count, bits, ...(await this.#offer(first, asked, offering)) });
      from += count;
    }
  }

  /** The places of the next contents to come. @throws PEER when there are not so many */
  take(blocks: number): ExpectedPlace[] {
    const first = this.#taken;
    if (first + blocks > this.count)
      throw new HomewardError("PEER", "the other host sends more than was asked for", {
        data: { asked: this.count, sent: first + blocks },
      });
    this.#taken += blocks;
    return Array.from({ length: blocks }, (_, i) => ({
      ...this.#place(first + i),
      offered: this.#offered[first + i] ?? 0,
    }));
  }

  /** Where the contents belong first. */
  *places(): Generator<Place, void, undefined> {
    for (let i = 0; i < this.count; i++) yield this.#place(i);
  }

  #place(needed: number): Place {
    return this.#index.place(this.#contents[needed] ?? 0);
  }

  async #offer(
    first: number,
    end: number,
    offering: Offering | undefined,
  ): Promise<{ offered: Uint8Array; hashes: Uint8Array }> {
    const none = { offered: new Uint8Array(0), hashes: new Uint8Array(0) };
    if (offering === undefined) return none;
    const { twin, dirty, base, pool } = offering;
    const resembling: number[] = [];
    for (let needed = first; needed < end; needed++) {
      const { device, block } = this.#place(needed);
      if (dirty[device].has(block)) resembling.push(needed);
    }
    if (resembling.length === 0) return none;
    const places = resembling.map((needed) => this.#place(needed));
    const { offered, hashes } = await offerParts(places, twin, base, pool);
    for (const [i, needed] of resembling.entries()) this.#offered[needed] = offered[i] ?? 0;
    return { offered: this.#offered.subarray(first, end), hashes };
  }
}
