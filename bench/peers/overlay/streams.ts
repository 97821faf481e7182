/**
 * The overlay that `npm run bench:peers` holds Homeward against: what is known to be best without replay, in one program.
 * States are files of 4 KiB pages. A page of the new state is the old one's at its place, zero, a copy of any page of the
 * old state or of an earlier new page (as in elijah and MiG), a patch to the old page at its place or to the old page most
 * like it, or itself. What is alike is put together and given to xz, each stream with what suits it.
 */
export const PAGE_BYTES = 4096;
export const WORD_BYTES = 8;
export const PAGE_WORDS = PAGE_BYTES / WORD_BYTES;
export const MASK_BYTES = PAGE_WORDS / 8;

export const KIND = { same: 0, zero: 1, copy: 2, again: 3, patch: 4, similar: 5, raw: 6 } as const;

/** The new state without what is in the old one. */
export interface Streams {
  /** Bytes of the new state. */
  readonly size: number;
  /** Runs of pages of one kind: kind, then how many, LEB128. */
  readonly kinds: Buffer;
  /** 4 bytes, little endian, for each page that names another: its number minus the one that was to be expected. */
  readonly references: Buffer;
  /** For each patch a bit for each word that differs. */
  readonly masks: Buffer;
  /** The words that differ, page by page; then the raw pages. */
  readonly data: Buffer;
}

/** Number of pages that so many bytes take. */
export function pageCount(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES);
}

/** A state padded to whole pages, as bytes and as 32-bit words. */
export class Pages {
  readonly bytes: Buffer;
  readonly words: Uint32Array;
  readonly count: number;

  constructor(state: Buffer) {
    this.count = pageCount(state.length);
    const aligned = state.length === this.count * PAGE_BYTES && state.byteOffset % 4 === 0;
    this.bytes = aligned ? state : Buffer.alloc(this.count * PAGE_BYTES);
    if (!aligned) state.copy(this.bytes);
    this.words = new Uint32Array(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length / 4);
  }

  page(number: number): Buffer {
    return this.bytes.subarray(number * PAGE_BYTES, (number + 1) * PAGE_BYTES);
  }
}

/** @throws RangeError when the bytes end within a number */
export function readVarint(bytes: Buffer, at: number): [value: number, next: number] {
  let value = 0;
  for (let shift = 1; ; shift *= 128) {
    const byte = bytes[at++];
    if (byte === undefined || shift > 2 ** 42) throw new RangeError("the overlay ends within a number");
    value += (byte & 127) * shift;
    if (byte < 128) return [value, at];
  }
}

/** Appends a number of at most 49 bits. */
export function pushVarint(into: number[], value: number): void {
  while (value >= 128) {
    into.push((value % 128) | 128);
    value = Math.floor(value / 128);
  }
  into.push(value);
}
