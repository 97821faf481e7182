import { HomewardError } from "../common/errors.ts";
import { encodeNeedMessage, MAX_NEED_CONTENTS } from "../protocol/residual/need-message.ts";
import type { IncomingIndex } from "./incoming-index.ts";
import type { Place } from "./places.ts";
import type { WantedContents } from "./wanted.ts";

/** The contents that the destination asks for, in the order in which they come. */
export class NeededContents {
  readonly #index: IncomingIndex;
  readonly #contents: Uint32Array;
  #taken = 0;

  /** @param index complete, @param wanted after all searching */
  constructor(index: IncomingIndex, wanted: WantedContents) {
    this.#index = index;
    this.#contents = new Uint32Array(wanted.missing);
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

  /** The need messages, at most 256 KiB each. */
  async *messages(): AsyncGenerator<Buffer, void, undefined> {
    let asked = 0;
    for (let from = 0; from < this.#index.contents; from += MAX_NEED_CONTENTS) {
      const count = Math.min(MAX_NEED_CONTENTS, this.#index.contents - from);
      const bits = new Uint8Array(Math.ceil(count / 8));
      for (let content = this.#contents[asked] ?? Infinity; content < from + count; ) {
        const bit = content - from;
        bits[bit >>> 3] = (bits[bit >>> 3] ?? 0) | (1 << (bit & 7));
        content = this.#contents[++asked] ?? Infinity;
      }
      yield encodeNeedMessage({ from, count, bits });
    }
  }

  /** The places of the next contents to come. @throws PEER when there are not so many */
  take(blocks: number): Place[] {
    const first = this.#taken;
    if (first + blocks > this.count)
      throw new HomewardError("PEER", "the other host sends more than was asked for", {
        data: { asked: this.count, sent: first + blocks },
      });
    this.#taken += blocks;
    return Array.from({ length: blocks }, (_, i) => this.#place(first + i));
  }

  /** Where the contents belong first. */
  *places(): Generator<Place, void, undefined> {
    for (let i = 0; i < this.count; i++) yield this.#place(i);
  }

  #place(needed: number): Place {
    return this.#index.place(this.#contents[needed] ?? 0);
  }
}
