import { HomewardError } from "../../common/errors.ts";
import { PROBABILITY_BITS } from "./logistic.ts";

/** Where the bits of a model go to or come from, one after the other, each with the probability that it is a one. */
export interface BitCoder {
  /**
   * @param bit what is to be written; of no meaning to a reader
   * @param probability of a one, 1 to 4095 of 4096
   * @returns the bit that was written or read
   */
  code(bit: number, probability: number): number;
}

const BELOW = 2 ** PROBABILITY_BITS - 1;

/** Where the interval between two 32-bit numbers is split. */
function split(low: number, high: number, probability: number): number {
  const range = high - low;
  return low + (range >>> PROBABILITY_BITS) * probability + (((range & BELOW) * probability) >>> PROBABILITY_BITS);
}

const FIRST_BYTES = 64 * 1024;
/** A number of the interval that is left is named in so many bytes. */
const LAST_BYTES = 4;

/** Arithmetic coding (Witten, Neal and Cleary) in 32 bits, a byte out as soon as both ends of the interval agree on it. */
export class BitWriter implements BitCoder {
  #low = 0;
  #high = 0xffff_ffff;
  #bytes: Buffer = Buffer.alloc(FIRST_BYTES);
  #length = 0;

  code(bit: number, probability: number): number {
    const middle = split(this.#low, this.#high, probability);
    if (bit === 1) this.#high = middle;
    else this.#low = middle + 1;
    while ((this.#low ^ this.#high) >>> 24 === 0) {
      this.#put(this.#high >>> 24);
      this.#low = (this.#low << 8) >>> 0;
      this.#high = ((this.#high << 8) | 255) >>> 0;
    }
    return bit;
  }

  /** All that was written since the last call; the next bit begins anew. */
  flush(): Buffer {
    for (let i = 0; i < LAST_BYTES; i++) this.#put((this.#high >>> (24 - 8 * i)) & 255);
    const bytes = Buffer.from(this.#bytes.subarray(0, this.#length));
    this.#low = 0;
    this.#high = 0xffff_ffff;
    this.#length = 0;
    return bytes;
  }

  #put(byte: number): void {
    if (this.#length === this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(this.#bytes.length)]);
    this.#bytes[this.#length++] = byte;
  }
}

/** Undoes BitWriter. */
export class BitReader implements BitCoder {
  readonly #bytes: Uint8Array;
  #at = 0;
  #low = 0;
  #high = 0xffff_ffff;
  #value = 0;

  /** @param bytes what one flush() gave */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    for (let i = 0; i < LAST_BYTES; i++) this.#value = ((this.#value << 8) | this.#take()) >>> 0;
  }

  code(_bit: number, probability: number): number {
    const middle = split(this.#low, this.#high, probability);
    const bit = this.#value <= middle ? 1 : 0;
    if (bit === 1) this.#high = middle;
    else this.#low = middle + 1;
    while ((this.#low ^ this.#high) >>> 24 === 0) {
      this.#low = (this.#low << 8) >>> 0;
      this.#high = ((this.#high << 8) | 255) >>> 0;
      this.#value = ((this.#value << 8) | this.#take()) >>> 0;
    }
    return bit;
  }

  /** @throws DAMAGED when the bits end before the bytes do */
  end(): void {
    if (this.#at !== this.#bytes.length) throw new HomewardError("DAMAGED", "packed pages go on after their end");
  }

  /** @throws DAMAGED when there is none left */
  #take(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new HomewardError("DAMAGED", "packed pages end early");
    return byte;
  }
}
