import { KIND, MASK_BYTES, PAGE_BYTES, PAGE_WORDS, pageCount, Pages, readVarint, WORD_BYTES, type Streams } from "./streams.ts";

/** Takes pieces off the front of a stream. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  take(count: number): Buffer {
    const piece = this.#bytes.subarray(this.#at, this.#at + count);
    if (piece.length !== count) throw new RangeError("the overlay is shorter than it says");
    this.#at += count;
    return piece;
  }
}

function bitsIn(bytes: Buffer): number {
  let count = 0;
  for (const byte of bytes) for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/**
 * Puts the new state together.
 * @throws RangeError if the streams do not belong together or to this old state
 */
export function decode(oldState: Buffer, { size, kinds, references, masks, data }: Streams): Buffer {
  const old = new Pages(oldState);
  const pages = pageCount(size);
  const out = Buffer.alloc(pages * PAGE_BYTES);
  const reference = new Reader(references);
  const mask = new Reader(masks);
  const words = new Reader(data);
  const raw = new Reader(data, bitsIn(masks) * WORD_BYTES);
  const expected = new Map<number, number>();
  let page = 0;
  for (let at = 0; at < kinds.length; ) {
    const kind = kinds[at] ?? 0;
    const [length, next] = readVarint(kinds, at + 1);
    at = next;
    if (page + length > pages) throw new RangeError("the overlay has too many pages");
    for (let i = 0; i < length; i++) one(kind, page++);
  }
  if (page !== pages) throw new RangeError("the overlay has too few pages");
  return out.subarray(0, size);

  function one(kind: number, number: number): void {
    const target = out.subarray(number * PAGE_BYTES, (number + 1) * PAGE_BYTES);
    if (kind === KIND.same) oldPage(number).copy(target);
    else if (kind === KIND.copy) oldPage(referred(kind)).copy(target);
    else if (kind === KIND.again) earlierPage(referred(kind), number).copy(target);
    else if (kind === KIND.patch) patch(oldPage(number), target);
    else if (kind === KIND.similar) patch(oldPage(referred(kind)), target);
    else if (kind === KIND.raw) raw.take(PAGE_BYTES).copy(target);
    else if (kind !== KIND.zero) throw new RangeError(`the overlay has pages of an unknown kind ${kind}`);
  }

  function oldPage(number: number): Buffer {
    if (number < 0 || number >= old.count) throw new RangeError("the overlay refers to a page that does not exist");
    return old.page(number);
  }

  function earlierPage(number: number, before: number): Buffer {
    if (number < 0 || number >= before) throw new RangeError("the overlay refers to a later page");
    return out.subarray(number * PAGE_BYTES, (number + 1) * PAGE_BYTES);
  }

  function referred(kind: number): number {
    const number = (expected.get(kind) ?? 0) + reference.take(4).readInt32LE();
    expected.set(kind, number + 1);
    return number;
  }

  function patch(from: Buffer, target: Buffer): void {
    from.copy(target);
    const bits = mask.take(MASK_BYTES);
    for (let i = 0; i < PAGE_WORDS; i++)
      if (((bits[i >> 3] ?? 0) & (1 << (i & 7))) !== 0) words.take(WORD_BYTES).copy(target, i * WORD_BYTES);
  }
}
