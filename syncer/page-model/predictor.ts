import { AFTER_ONE, AFTER_ZERO, FIRST_PROBABILITY, HISTORIES, WEIGHT } from "./bit-history.ts";
import type { BitCoder } from "./bit-coder.ts";
import { MOST_LOGIT, SQUASH, STRETCH } from "./logistic.ts";

/**
 * Context mixing: each of several contexts remembers what followed it (bit-history.ts); what such histories have turned out to
 * mean gives each a probability; a small network, of which the caller chooses one by what it knows, weighs their logits;
 * and what that gave is put right by what came of it before. Whole numbers only. M. Mahoney, Adaptive Weighing of Context
 * Models for Lossless Data Compression, 2005.
 */

/** Histories of the bits of bytes: 16 bytes for each nibble in each context, the first one a check. */
const NIBBLE_BYTES = 16;
const TABLE_BITS = 23;
const TABLE_MASK = 2 ** TABLE_BITS - NIBBLE_BYTES;
/** Histories of single questions; two contexts that fall together share one. */
const QUESTION_BITS = 20;
const QUESTIONS = 2 ** TABLE_BITS;
const QUESTION_MASK = 2 ** QUESTION_BITS - 1;

const MOST_CONTEXTS = 16;
const FIRST_WEIGHT = Math.floor(0.3 * 65536);
const LEARNING = 8;
/** The means of a history move by 1/1.5 at first, later by no less than 1/256.5. */
const MOST_COUNT = 255;
const RECIPROCALS = Int32Array.from({ length: MOST_COUNT + 1 }, (_, count) => Math.floor(65536 / (count + 1.5)));

const CORRECTION_STEPS = 33;
const CORRECTION_RATE = 6;

export interface PredictorSize {
  /** How many kinds of context there are in all. */
  readonly contexts: number;
  /** How many networks. */
  readonly networks: number;
  /** How many corrections. */
  readonly corrections: number;
}

/** Mixes two numbers into one of 32 bits. */
export function mixHash(a: number, b: number): number {
  let mixed = Math.imul(a ^ Math.imul(b, 0x9e37_79b1), 0x85eb_ca6b);
  mixed ^= mixed >>> 15;
  return Math.imul(mixed, 0x2c1b_3c6d) ^ (mixed >>> 13);
}

export class Predictor {
  readonly #coder: { current: BitCoder };
  readonly #table = new Uint8Array(2 ** TABLE_BITS + 2 ** QUESTION_BITS);
  /** For each kind of context and each history: a probability in 2^-22, then how often it was met. */
  readonly #meanings: Uint32Array;
  readonly #weights: Int32Array;
  readonly #corrections: Uint16Array;
  readonly #slots = new Int32Array(MOST_CONTEXTS);
  readonly #logits = new Int32Array(MOST_CONTEXTS);
  /** The contexts of what is coded next: set from 0 on. */
  readonly contexts: Int32Array = new Int32Array(MOST_CONTEXTS);

  /** @param coder where the bits go to or come from at the moment */
  constructor(size: PredictorSize, coder: { current: BitCoder }) {
    this.#coder = coder;
    this.#meanings = new Uint32Array(size.contexts * 256);
    this.#weights = new Int32Array(size.networks * MOST_CONTEXTS);
    this.#corrections = new Uint16Array(size.corrections * CORRECTION_STEPS);
    this.reset();
  }

  /** Forgets everything. */
  reset(): void {
    this.#table.fill(0);
    this.#weights.fill(FIRST_WEIGHT);
    for (let i = 0; i < this.#meanings.length; i++) this.#meanings[i] = ((FIRST_PROBABILITY[i & 255] ?? 0) << 10) >>> 0;
    for (let i = 0; i < this.#corrections.length; i++)
      this.#corrections[i] = (SQUASH[Math.min(4095, (i % CORRECTION_STEPS) * 128)] ?? 0) * 16;
  }

  /**
   * A yes or no.
   * @param count of contexts in use
   * @param kind number of the first of them among all kinds of context
   */
  question(bit: number, count: number, kind: number, network: number, correction: number): number {
    for (let i = 0; i < count; i++) this.#slots[i] = QUESTIONS + (mixHash(this.contexts[i] ?? 0, i) & QUESTION_MASK);
    return this.#code(bit, 0, count, kind, network, correction);
  }

  /** A byte, from the highest bit on. @param correction the first of 256 */
  byte(value: number, count: number, kind: number, network: number, correction: number): number {
    for (let i = 0; i < count; i++) this.#slots[i] = this.#nibble(this.contexts[i] ?? 0);
    let known = 1;
    for (let shift = 7; shift >= 4; shift--)
      known = (known << 1) | this.#code((value >> shift) & 1, known, count, kind, network, correction + known);
    for (let i = 0; i < count; i++) this.#slots[i] = this.#nibble(mixHash(this.contexts[i] ?? 0, known));
    let node = 1;
    for (let shift = 3; shift >= 0; shift--) {
      const bit = this.#code((value >> shift) & 1, node, count, kind, network, correction + known);
      node = (node << 1) | bit;
      known = (known << 1) | bit;
    }
    return known & 255;
  }

  /** Where the histories of a context's nibble are; one that was long not met gives way. */
  #nibble(context: number): number {
    const table = this.#table;
    const check = context >>> 24 || 1;
    const first = (Math.imul(context, 0x9e37_79b1) >>> (32 - TABLE_BITS)) & TABLE_MASK;
    if (table[first] === check) return first;
    const second = first ^ NIBBLE_BYTES;
    if (table[second] === check) return second;
    const isFirstLess = (WEIGHT[table[first + 1] ?? 0] ?? 0) <= (WEIGHT[table[second + 1] ?? 0] ?? 0);
    const slot = table[first] === 0 ? first : table[second] === 0 ? second : isFirstLess ? first : second;
    table.fill(0, slot, slot + NIBBLE_BYTES);
    table[slot] = check;
    return slot;
  }

  #code(given: number, node: number, count: number, kind: number, network: number, correction: number): number {
    const table = this.#table;
    const meanings = this.#meanings;
    const weights = this.#weights;
    const slots = this.#slots;
    const logits = this.#logits;
    const corrections = this.#corrections;
    const weightsAt = network * MOST_CONTEXTS;
    let dot = 0;
    for (let i = 0; i < count; i++) {
      const meaning = meanings[((kind + i) << 8) | (table[(slots[i] ?? 0) + node] ?? 0)] ?? 0;
      const logit = STRETCH[meaning >>> 20] ?? 0;
      logits[i] = logit;
      dot += Math.imul(logit, weights[weightsAt + i] ?? 0) >> 8;
    }
    const mixed = Math.max(-MOST_LOGIT, Math.min(MOST_LOGIT, dot >> 8));
    const probability = SQUASH[mixed + 2048] ?? 0;
    const position = (mixed + 2048) * (CORRECTION_STEPS - 1);
    const weight = position & 4095;
    const lower = correction * CORRECTION_STEPS + (position >> 12);
    const corrected = ((corrections[lower] ?? 0) * (4096 - weight) + (corrections[lower + 1] ?? 0) * weight) >> 16;
    const bit = this.#coder.current.code(given, Math.max(1, Math.min(4095, (probability + corrected * 3 + 2) >> 2)));

    const nearer = weight < 2048 ? lower : lower + 1;
    const before = corrections[nearer] ?? 0;
    corrections[nearer] = before + (((bit === 1 ? 65535 : 0) - before) >> CORRECTION_RATE);
    const error = ((bit << 12) - probability) * LEARNING;
    const after = bit === 1 ? AFTER_ONE : AFTER_ZERO;
    const target = bit === 1 ? 2 ** 22 - 1 : 0;
    for (let i = 0; i < count; i++) {
      weights[weightsAt + i] = (weights[weightsAt + i] ?? 0) + ((Math.imul(logits[i] ?? 0, error) + 0x2000) >> 14);
      const slot = (slots[i] ?? 0) + node;
      const history = table[slot] ?? 0;
      const meaningAt = ((kind + i) << 8) | history;
      const meaning = meanings[meaningAt] ?? 0;
      const met = meaning & 1023;
      const was = meaning >>> 10;
      const moved = was + ((((target - was) * (RECIPROCALS[met] ?? 0)) / 65536) | 0);
      meanings[meaningAt] = ((moved << 10) | (met < MOST_COUNT ? met + 1 : met)) >>> 0;
      table[slot] = after[history] ?? 0;
    }
    return bit;
  }
}

if (HISTORIES > 256) throw new Error("a history does not fit in a byte");
