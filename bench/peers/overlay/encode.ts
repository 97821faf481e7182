import { hash } from "node:crypto";
import { SimilarPages } from "./similar.ts";
import { KIND, MASK_BYTES, PAGE_BYTES, PAGE_WORDS, Pages, pushVarint, WORD_BYTES, type Streams } from "./streams.ts";

/** Where more words differ the page goes as it is. Of 0, 64, 128, 256, 400 tried on `edit`, 400 made least. */
const MOST_PATCHED_WORDS = 400;
/** Another page than the one at the same place has to be better by this many words: naming it costs some. */
const SIMILAR_GAIN_WORDS = 8;

const ZERO = Buffer.alloc(PAGE_BYTES);

function differingWords(a: Pages, pageA: number, b: Pages, pageB: number): number {
  let count = 0;
  const [fromA, fromB] = [pageA * PAGE_WORDS * 2, pageB * PAGE_WORDS * 2];
  for (let i = 0; i < PAGE_WORDS * 2; i += 2)
    if (a.words[fromA + i] !== b.words[fromB + i] || a.words[fromA + i + 1] !== b.words[fromB + i + 1]) count++;
  return count;
}

/** Collects what becomes of the pages, in their order. */
class Writer {
  readonly #kinds: number[] = [];
  readonly #references: number[] = [];
  readonly #masks: Buffer[] = [];
  readonly #words: Buffer[] = [];
  readonly #raw: Buffer[] = [];
  readonly #expected = new Map<number, number>();
  #run = { kind: -1, length: 0 };

  page(kind: number): void {
    if (kind !== this.#run.kind) {
      this.#endRun();
      this.#run = { kind, length: 0 };
    }
    this.#run.length++;
  }

  /** Pages that follow each other here mostly did so there. */
  reference(kind: number, page: number): void {
    this.#references.push(page - (this.#expected.get(kind) ?? 0));
    this.#expected.set(kind, page + 1);
  }

  patch(now: Buffer, old: Buffer): void {
    const mask = Buffer.alloc(MASK_BYTES);
    const words: Buffer[] = [];
    for (let i = 0; i < PAGE_WORDS; i++) {
      const word = now.subarray(i * WORD_BYTES, (i + 1) * WORD_BYTES);
      if (word.equals(old.subarray(i * WORD_BYTES, (i + 1) * WORD_BYTES))) continue;
      mask[i >> 3] = (mask[i >> 3] ?? 0) | (1 << (i & 7));
      words.push(word);
    }
    this.#masks.push(mask);
    this.#words.push(...words);
  }

  raw(page: Buffer): void {
    this.#raw.push(page);
  }

  end(size: number): Streams {
    this.#endRun();
    const references = Buffer.alloc(this.#references.length * 4);
    for (const [i, value] of this.#references.entries()) references.writeInt32LE(value, i * 4);
    return {
      size,
      kinds: Buffer.from(this.#kinds),
      references,
      masks: Buffer.concat(this.#masks),
      data: Buffer.concat([...this.#words, ...this.#raw]),
    };
  }

  #endRun(): void {
    if (this.#run.length === 0) return;
    this.#kinds.push(this.#run.kind);
    pushVarint(this.#kinds, this.#run.length);
  }
}

/** Takes the new state apart. */
export function encode(oldState: Buffer, newState: Buffer): Streams {
  const [old, now] = [new Pages(oldState), new Pages(newState)];
  const known = new Map<string, number>();
  for (let page = 0; page < old.count; page++) {
    const content = old.page(page);
    if (content.equals(ZERO)) continue;
    const name = hash("sha1", content);
    if (!known.has(name)) known.set(name, page);
  }
  const similar = new SimilarPages(old);
  const earlier = new Map<string, number>();
  const writer = new Writer();
  for (let page = 0; page < now.count; page++) {
    const content = now.page(page);
    if (page < old.count && content.equals(old.page(page))) writer.page(KIND.same);
    else if (content.equals(ZERO)) writer.page(KIND.zero);
    else encodeContent(page, content);
  }
  return writer.end(newState.length);

  function encodeContent(page: number, content: Buffer): void {
    const name = hash("sha1", content);
    const copy = known.get(name);
    const again = earlier.get(name);
    if (copy !== undefined) refer(KIND.copy, copy);
    else if (again !== undefined) refer(KIND.again, again);
    else {
      earlier.set(name, page);
      encodeNew(page, content);
    }
  }

  function encodeNew(page: number, content: Buffer): void {
    const here = page < old.count ? differingWords(now, page, old, page) : PAGE_WORDS;
    const like = similar.find(now, page);
    const there = like === null ? PAGE_WORDS : differingWords(now, page, old, like);
    if (like !== null && there + SIMILAR_GAIN_WORDS < here && there <= MOST_PATCHED_WORDS) {
      refer(KIND.similar, like);
      writer.patch(content, old.page(like));
    } else if (here <= MOST_PATCHED_WORDS) {
      writer.page(KIND.patch);
      writer.patch(content, old.page(page));
    } else {
      writer.page(KIND.raw);
      writer.raw(content);
    }
  }

  function refer(kind: number, target: number): void {
    writer.page(kind);
    writer.reference(kind, target);
  }
}
