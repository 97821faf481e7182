import { HomewardError } from "./errors.ts";

/** Appends numbers and bytes to a growing buffer. Fixed-width numbers are big-endian; varints are unsigned LEB128. */
export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(initialBytes = 256) {
    this.#buffer = Buffer.allocUnsafe(initialBytes);
  }

  get length(): number {
    return this.#length;
  }

  #reserve(bytes: number): number {
    const needed = this.#length + bytes;
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    const at = this.#length;
    this.#length = needed;
    return at;
  }

  u8(value: number): this {
    const at = this.#reserve(1);
    this.#buffer.writeUInt8(value, at);
    return this;
  }

  u16(value: number): this {
    const at = this.#reserve(2);
    this.#buffer.writeUInt16BE(value, at);
    return this;
  }

  u32(value: number): this {
    const at = this.#reserve(4);
    this.#buffer.writeUInt32BE(value, at);
    return this;
  }

  i32(value: number): this {
    const at = this.#reserve(4);
    this.#buffer.writeInt32BE(value, at);
    return this;
  }

  u64(value: bigint): this {
    const at = this.#reserve(8);
    this.#buffer.writeBigUInt64BE(value, at);
    return this;
  }

  /** Non-negative safe integer, 1 to 8 bytes. */
  varint(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new HomewardError("INTERNAL", `not a varint: ${String(value)}`);
    let rest = value;
    while (rest >= 128) {
      this.u8((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    return this.u8(rest);
  }

  /** Signed integer, zigzag-coded. */
  svarint(value: number): this {
    return this.varint(value < 0 ? -value * 2 - 1 : value * 2);
  }

  bytes(data: Uint8Array): this {
    const at = this.#reserve(data.length);
    this.#buffer.set(data, at);
    return this;
  }

  /** A copy of what was written so far. */
  finish(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#length));
  }
}

/** Reads what ByteWriter wrote; every read past the end throws DAMAGED, so nothing outside the data is ever believed. */
export class ByteReader {
  readonly #data: Buffer;
  readonly #what: string;
  #at = 0;

  /** @param what names the data in error messages, e.g. "log segment" */
  constructor(data: Uint8Array, what: string) {
    this.#data = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    this.#what = what;
  }

  get remaining(): number {
    return this.#data.length - this.#at;
  }

  get offset(): number {
    return this.#at;
  }

  #take(bytes: number): number {
    if (bytes > this.remaining)
      throw new HomewardError("DAMAGED", `${this.#what} ends early`, {
        data: { needed: bytes, remaining: this.remaining, offset: this.#at },
      });
    const at = this.#at;
    this.#at += bytes;
    return at;
  }

  u8(): number {
    return this.#data.readUInt8(this.#take(1));
  }

  u16(): number {
    return this.#data.readUInt16BE(this.#take(2));
  }

  u32(): number {
    return this.#data.readUInt32BE(this.#take(4));
  }

  i32(): number {
    return this.#data.readInt32BE(this.#take(4));
  }

  u64(): bigint {
    return this.#data.readBigUInt64BE(this.#take(8));
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8();
      value += (byte & 127) * scale;
      if (!Number.isSafeInteger(value)) break;
      if (byte < 128) return value;
      scale *= 128;
    }
    throw new HomewardError("DAMAGED", `${this.#what} holds a number that is too large`);
  }

  svarint(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** A view, not a copy. */
  bytes(length: number): Buffer {
    const at = this.#take(length);
    return this.#data.subarray(at, at + length);
  }

  /** Throws unless everything was read. */
  end(): void {
    if (this.remaining !== 0)
      throw new HomewardError("DAMAGED", `${this.#what} has ${String(this.remaining)} bytes too many`);
  }
}
