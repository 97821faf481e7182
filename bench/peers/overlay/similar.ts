import { PAGE_BYTES, type Pages } from "./streams.ts";

const LINE_WORDS = 16;
const PAGE_LINES = PAGE_BYTES / (4 * LINE_WORDS);
const LARGEST_TABLE = 2 ** 26;

/** Finds the page that shares most lines of 64 bytes with a given one. Each line is remembered for one page only. */
export class SimilarPages {
  /** Number of a page plus 1, by hash of a line. */
  readonly #table: Uint32Array;

  constructor(old: Pages) {
    let size = 1024;
    while (size < old.count * PAGE_LINES * 2 && size < LARGEST_TABLE) size *= 2;
    this.#table = new Uint32Array(size);
    for (let page = 0; page < old.count; page++)
      for (let line = 0; line < PAGE_LINES; line++) {
        const hash = this.#hash(old.words, page, line);
        if (hash !== 0) this.#table[hash] = page + 1;
      }
  }

  /** @returns null when no line is known */
  find(pages: Pages, page: number): number | null {
    const votes = new Map<number, number>();
    let best: number | null = null;
    for (let line = 0; line < PAGE_LINES; line++) {
      const hash = this.#hash(pages.words, page, line);
      const found = hash === 0 ? 0 : (this.#table[hash] ?? 0);
      if (found === 0) continue;
      const count = (votes.get(found - 1) ?? 0) + 1;
      votes.set(found - 1, count);
      if (best === null || count > (votes.get(best) ?? 0)) best = found - 1;
    }
    return best;
  }

  /** 0 for a line of zeroes, which says nothing. */
  #hash(words: Uint32Array, page: number, line: number): number {
    const from = page * PAGE_LINES * LINE_WORDS + line * LINE_WORDS;
    let hash = 0x9747b28c;
    let any = 0;
    for (let i = from; i < from + LINE_WORDS; i++) {
      const word = words[i] ?? 0;
      any |= word;
      hash = Math.imul(hash ^ word, 0x5bd1e995);
      hash ^= hash >>> 15;
    }
    return any === 0 ? 0 : (hash & (this.#table.length - 1)) || 1;
  }
}
