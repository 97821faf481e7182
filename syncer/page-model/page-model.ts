import { HomewardError } from "../../common/errors.ts";
import { BLOCK_BYTES } from "../../protocol/residual/limits.ts";
import type { BitCoder } from "./bit-coder.ts";
import { mixHash, Predictor } from "./predictor.ts";

/**
 * Pages as what differs from other pages: which of their 8-byte words, then those words' bytes, each bit with a probability
 * that is learnt on the way. Both ends learn the same, so pages have to be read in the order in which they were written,
 * against the same other pages. What guests' pages are full of is what it is made for: pointers, counters and flags, of which
 * the upper bytes are those of the word that was there, of the last one that changed, of the one 64 bytes before, or of
 * what another word that held the same was changed to.
 *
 * A word's bytes are read as those of a little-endian number, from the top.
 */

const PAGE_WORDS = BLOCK_BYTES / 8;
const LINE_WORDS = 8;
const LINES = PAGE_WORDS / LINE_WORDS;

/** Changed words that are remembered. */
const HISTORY_WORDS = 2 ** 20;
/** Entries of a table that says where in the history something was. */
const SEEN_BITS = 18;

/** Kinds of context, networks and corrections of each use. */
const ANY = { contexts: 9, kind: 0, network: 0, correction: 0 };
const MASK = { contexts: 9, kind: 9, network: 16, correction: 64 };
const EXPECTED = { contexts: 7, kind: 18, network: 24, correction: 64 + 256 };
const BYTE = { contexts: 8, kind: 25, network: 24 + 128, correction: 64 + 256 + 2048 };
const KIND = { contexts: 1, kind: BYTE.kind + BYTE.contexts, network: BYTE.network + 128, correction: BYTE.correction + 32 * 256 };
const SIZE = { contexts: KIND.kind + 1, networks: KIND.network + 1, corrections: KIND.correction + 1 };

/** Until there is something to read or to write. */
const NOBODY: BitCoder = {
  code: () => {
    throw new HomewardError("INTERNAL", "a page model without bits");
  },
};

/** The place of what was not met yet. */
const NOWHERE = -1;

/** Finds the place in the history where something was met last. */
class Seen {
  readonly #places = new Int32Array(2 ** SEEN_BITS).fill(NOWHERE);

  last(hash: number, now: number): number {
    const place = this.#places[hash & (2 ** SEEN_BITS - 1)] ?? NOWHERE;
    return now - place < HISTORY_WORDS ? place : NOWHERE;
  }

  clear(): void {
    this.#places.fill(NOWHERE);
  }

  set(hash: number, place: number): void {
    this.#places[hash & (2 ** SEEN_BITS - 1)] = place;
  }
}

export class PageModel {
  readonly #coder: { current: BitCoder };
  readonly #predictor: Predictor;
  /** Changed words, low and high half; the number of one is its place in all of them. */
  readonly #low = new Uint32Array(HISTORY_WORDS);
  readonly #high = new Uint32Array(HISTORY_WORDS);
  #changed = 0;
  /** By the two changed words before, by the one before, and by the word that was there. */
  readonly #afterTwo = new Seen();
  readonly #afterOne = new Seen();
  readonly #insteadOf = new Seen();
  /** The place in the history that is likely to repeat itself, and for how many words it has. */
  #repeated = NOWHERE;
  #repeats = 0;
  /** The page before: its words, and which of them had changed. */
  #before = new Uint32Array(2 * PAGE_WORDS);
  #maskBefore = new Uint8Array(LINES + 1);
  #mask = new Uint8Array(LINES + 1);
  /** The last changed word: how far from here, and how much more it was than the word that was there. */
  #lastAt = 0;
  #pages = 0;
  #moreLow = 0;
  #moreHigh = 0;
  /** The kinds of the four pages before. */
  #kinds = 0;

  constructor(coder: BitCoder = NOBODY) {
    this.#coder = { current: coder };
    this.#predictor = new Predictor(SIZE, this.#coder);
  }

  /** Forgets everything; its 20 MB of tables serve again. */
  reset(): void {
    this.#predictor.reset();
    // What is remembered of changed words is only looked at up to #changed.
    for (const seen of [this.#afterTwo, this.#afterOne, this.#insteadOf]) seen.clear();
    for (const page of [this.#before, this.#maskBefore, this.#mask]) page.fill(0);
    this.#repeated = NOWHERE;
    this.#changed = this.#repeats = this.#lastAt = this.#pages = this.#moreLow = this.#moreHigh = this.#kinds = 0;
  }

  /** Where the next bits go to or come from. */
  set coder(coder: BitCoder) {
    this.#coder.current = coder;
  }

  /** Writes or reads what kind of page comes next, 0 or 1. */
  codeKind(kind: number): number {
    this.#predictor.contexts[0] = mixHash(51, this.#kinds);
    const coded = this.#predictor.question(kind, KIND.contexts, KIND.kind, KIND.network, KIND.correction);
    this.#kinds = ((this.#kinds << 1) | coded) & 15;
    return coded;
  }

  /**
   * Writes or reads one page.
   * @param page 1024 numbers: the page; of a reader, a copy of `base`, which becomes the page
   * @param base the page that it is likely to resemble
   */
  code(page: Uint32Array, base: Uint32Array): void {
    this.#codeMask(page, base);
    for (let word = 0; word < PAGE_WORDS; word++)
      if (((this.#mask[word >> 3] ?? 0) >> (word & 7)) & 1) this.#codeWord(page, base, word);
    this.#before.set(page);
    [this.#mask, this.#maskBefore] = [this.#maskBefore, this.#mask];
    this.#pages = (this.#pages + 1) & 0xffff;
  }

  /** Which words differ: for each line of eight whether any does, then which. */
  #codeMask(page: Uint32Array, base: Uint32Array): void {
    const { contexts } = this.#predictor;
    const mask = this.#mask;
    const isZero = base.every((half) => half === 0) ? 1 : 0;
    let lines = 0;
    for (let line = 0; line < LINES; line++) {
      const [one, two, three, four] = [line > 0 ? mask[line - 1] : 0, line > 1 ? mask[line - 2] : 0, line > 2 ? mask[line - 3] : 0, line > 3 ? mask[line - 4] : 0] as [number, number, number, number];
      const there = this.#maskBefore[line] ?? 0;
      const thereNext = this.#maskBefore[line + 1] ?? 0;
      const many = Math.min(lines, 7);
      let full = 0;
      let highs = 0;
      let differing = 0;
      for (let i = 0; i < LINE_WORDS; i++) {
        const at = 2 * (line * LINE_WORDS + i);
        const [low, high] = [base[at] ?? 0, base[at + 1] ?? 0];
        full += (low === 0 ? 0 : 1) + (high === 0 ? 0 : 1);
        highs = mixHash(highs, high);
        if (page[at] !== low || page[at + 1] !== high) differing |= 1 << i;
      }
      contexts[0] = mixHash(1, one | (many << 8) | (isZero << 12));
      contexts[1] = mixHash(2, one | (two << 8) | (isZero << 16));
      contexts[2] = mixHash(3, there | (line << 8));
      contexts[3] = mixHash(4, highs);
      contexts[4] = mixHash(5, one | (two << 8) | (three << 16) | (four << 24));
      contexts[5] = mixHash(6, full | (isZero << 5) | (one === 0 ? 0 : 64) | (many << 8));
      contexts[6] = mixHash(7, one | (full << 8) | (two << 16));
      contexts[7] = mixHash(8, line | (many << 8) | (isZero << 12));
      contexts[8] = mixHash(9, there | (thereNext << 8) | (one << 16));
      const network = ANY.network + many * 2 + isZero;
      const correction = ANY.correction + ((many << 3) | (isZero << 2) | (one === 0 ? 0 : 2) | (there === 0 ? 0 : 1));
      const isAny = this.#predictor.question(differing === 0 ? 0 : 1, ANY.contexts, ANY.kind, network, correction);
      mask[line] = isAny === 0 ? 0 : this.#predictor.byte(differing, MASK.contexts, MASK.kind, MASK.network + many, MASK.correction);
      lines += isAny;
    }
  }

  #codeWord(page: Uint32Array, base: Uint32Array, word: number): void {
    const predictor = this.#predictor;
    const { contexts } = predictor;
    const now = this.#changed;
    const at = 2 * word;
    const [low, high] = [page[at] ?? 0, page[at + 1] ?? 0];
    const [baseLow, baseHigh] = [base[at] ?? 0, base[at + 1] ?? 0];
    const [oneLow, oneHigh] = [this.#lowOf(now - 1), this.#highOf(now - 1)];
    const [twoLow, twoHigh] = [this.#lowOf(now - 2), this.#highOf(now - 2)];
    const one = mixHash(oneLow, oneHigh);
    const two = mixHash(one, mixHash(twoLow, twoHigh));
    const baseHash = mixHash(baseLow, baseHigh);
    const gap = Math.min(63, this.#pages * PAGE_WORDS + word - this.#lastAt);
    // The same words as once before.
    if (this.#repeated === NOWHERE) {
      this.#repeated = this.#afterTwo.last(two, now);
      this.#repeats = this.#repeated === NOWHERE ? 0 : 1;
      if (this.#repeated === NOWHERE) this.#repeated = this.#afterOne.last(one, now);
    }
    const repeated = this.#repeated;
    const repeats = Math.min(this.#repeats, 7);
    const instead = this.#insteadOf.last(baseHash, now);
    const [sumLow, carry] = sum(baseLow, this.#moreLow);
    const sumHigh = (baseHigh + this.#moreHigh + carry) >>> 0;
    const isLined = word >= LINE_WORDS;
    const [linedLow, linedHigh] = isLined ? [page[at - 2 * LINE_WORDS] ?? 0, page[at - 2 * LINE_WORDS + 1] ?? 0] : [0, 0];
    const [beforeLow, beforeHigh] = [this.#before[at] ?? 0, this.#before[at + 1] ?? 0];
    const [repeatedLow, repeatedHigh] = [this.#lowOf(repeated), this.#highOf(repeated)];
    const [insteadLow, insteadHigh] = [this.#lowOf(instead), this.#highOf(instead)];

    // Which of the words that may foretell this one have agreed with it so far.
    let byBase = 1;
    let byOne = 1;
    let byLined = isLined ? 1 : 0;
    let byBefore = 1;
    let byRepeated = repeated === NOWHERE ? 0 : 1;
    let byInstead = instead === NOWHERE ? 0 : 1;
    let bySum = 1;
    let upper = 0;
    let [newLow, newHigh] = [0, 0];
    for (let place = 7; place >= 0; place--) {
      const shift = (place & 3) * 8;
      const isHigh = place > 3;
      const given = ((isHigh ? high : low) >>> shift) & 255;
      const ofBase = ((isHigh ? baseHigh : baseLow) >>> shift) & 255;
      const ofOne = ((isHigh ? oneHigh : oneLow) >>> shift) & 255;
      const ofTwo = ((isHigh ? twoHigh : twoLow) >>> shift) & 255;
      const ofLined = ((isHigh ? linedHigh : linedLow) >>> shift) & 255;
      const ofBefore = ((isHigh ? beforeHigh : beforeLow) >>> shift) & 255;
      const ofRepeated = ((isHigh ? repeatedHigh : repeatedLow) >>> shift) & 255;
      const ofInstead = ((isHigh ? insteadHigh : insteadLow) >>> shift) & 255;
      const ofSum = ((isHigh ? sumHigh : sumLow) >>> shift) & 255;
      const [who, expected] =
        byRepeated === 1 ? [0, ofRepeated] : byInstead === 1 ? [1, ofInstead] : byOne === 1 ? [2, ofOne] : byBase === 1 ? [3, ofBase]
        : byLined === 1 ? [4, ofLined] : byBefore === 1 ? [5, ofBefore] : [6, ofBase];
      const agree =
        (ofBase === expected ? 1 : 0) | (ofOne === expected ? 2 : 0) | (ofLined === expected ? 4 : 0) | (ofBefore === expected ? 8 : 0) |
        (ofSum === expected ? 16 : 0) | (ofInstead === expected ? 32 : 0);
      const right = byBase | (byOne << 1) | (byLined << 2) | (byBefore << 3) | (byInstead << 4) | (byRepeated << 5) | (bySum << 6);
      contexts[0] = mixHash(41, place | (right << 3) | (agree << 10));
      contexts[1] = mixHash(mixHash(42, upper), (place << 8) | expected);
      contexts[2] = mixHash(mixHash(43, upper), mixHash(baseHash, (place << 8) | expected));
      contexts[3] = mixHash(44, place | (who << 3) | (repeats << 6) | (gap << 10));
      contexts[4] = mixHash(45, (word << 3) | place | (who << 12) | (agree << 15));
      contexts[5] = mixHash(46, place | (ofOne << 3) | (ofBase << 11) | (expected << 19) | (byOne << 27) | (byBase << 28));
      contexts[6] = mixHash(47, place | ((word & 7) << 3) | (ofLined << 6) | (expected << 14) | (byLined << 22));
      const network = EXPECTED.network + (place | (who << 3) | (repeats > 1 ? 64 : 0));
      const correction = EXPECTED.correction + (place | ((agree & 31) << 3) | (who << 8));
      let byte = expected;
      if (predictor.question(given === expected ? 1 : 0, EXPECTED.contexts, EXPECTED.kind, network, correction) === 0) {
        contexts[0] = mixHash(11, place | (ofBase << 3) | (byBase << 11) | (byOne << 12));
        contexts[1] = mixHash(mixHash(12, upper), place);
        contexts[2] = mixHash(14, place | (ofOne << 3) | (byOne << 11) | (ofBase << 12) | (byBase << 20));
        contexts[3] = mixHash(15, place | (ofLined << 3) | (byLined << 11) | ((word & 7) << 12) | (byBase << 15));
        contexts[4] = mixHash(16, place | (ofBefore << 3) | (byBefore << 11) | (expected << 12));
        contexts[5] = mixHash(18, place | (ofSum << 3) | (bySum << 11) | (byBase << 12));
        contexts[6] = mixHash(mixHash(20, (word << 3) | place), byBase | (byBefore << 1));
        contexts[7] = mixHash(22, place | (ofOne << 3) | (byOne << 11) | (ofTwo << 12) | (gap << 20));
        const network = BYTE.network + (place | (byLined << 3) | (byBase << 4) | (bySum << 5) | (byOne << 6));
        byte = predictor.byte(given, BYTE.contexts, BYTE.kind, network, BYTE.correction + ((place | (byBase << 3) | (byOne << 4)) << 8));
      }
      upper = mixHash(upper + 1, byte + 0x100 * place);
      if (isHigh) newHigh |= byte << shift;
      else newLow |= byte << shift;
      if (byte !== ofBase) byBase = 0;
      if (byte !== ofOne) byOne = 0;
      if (byte !== ofLined) byLined = 0;
      if (byte !== ofBefore) byBefore = 0;
      if (byte !== ofRepeated) byRepeated = 0;
      if (byte !== ofInstead) byInstead = 0;
      if (byte !== ofSum) bySum = 0;
    }
    page[at] = newLow;
    page[at + 1] = newHigh;
    this.#remember(newLow >>> 0, newHigh >>> 0, one, two, baseHash);
    if (repeated !== NOWHERE && byRepeated === 1) {
      this.#repeats++;
      this.#repeated++;
    } else {
      this.#repeats = 0;
      this.#repeated = NOWHERE;
    }
    const [moreLow, borrow] = sum(newLow >>> 0, -baseLow);
    this.#moreLow = moreLow;
    this.#moreHigh = (newHigh - baseHigh + borrow) | 0;
    this.#lastAt = this.#pages * PAGE_WORDS + word;
  }

  #lowOf(place: number): number {
    return place < 0 ? 0 : (this.#low[place & (HISTORY_WORDS - 1)] ?? 0);
  }

  #highOf(place: number): number {
    return place < 0 ? 0 : (this.#high[place & (HISTORY_WORDS - 1)] ?? 0);
  }

  #remember(low: number, high: number, one: number, two: number, baseHash: number): void {
    const place = this.#changed++;
    this.#low[place & (HISTORY_WORDS - 1)] = low;
    this.#high[place & (HISTORY_WORDS - 1)] = high;
    this.#afterTwo.set(two, place);
    this.#afterOne.set(one, place);
    this.#insteadOf.set(baseHash, place);
  }
}

/** Low half of a sum of a half word and another, which may be negative, and what it carries. */
function sum(low: number, other: number): [low: number, carry: number] {
  const all = low + other;
  return all < 0 ? [all + 2 ** 32, -1] : all >= 2 ** 32 ? [all - 2 ** 32, 1] : [all, 0];
}
