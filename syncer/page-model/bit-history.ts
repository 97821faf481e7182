/**
 * What has been seen of a bit in some context, in one byte: how many zeros, how many ones, and which of them came last. A
 * long run of one kind is counted far, a mixture only roughly; after a surprise most of the other count is forgotten.
 */

/** How far one count goes when the other one is 0, 1, 2 …; beyond, as the last. */
const MOST = [40, 24, 12, 7, 5, 5];
/** A count above this is cut when the other kind is seen. */
const KEPT = 2;

interface History {
  readonly zeros: number;
  readonly ones: number;
  readonly last: 0 | 1;
}

function bounded(count: number, other: number): number {
  return Math.min(count, Math.max(other, MOST[Math.min(other, MOST.length - 1)] ?? 0));
}

function forgotten(count: number): number {
  return count > KEPT ? KEPT + ((count - KEPT) >> 2) : count;
}

function after(history: History, bit: 0 | 1): History {
  const [zeros, ones] =
    bit === 1 ? [forgotten(history.zeros), history.ones + 1] : [history.zeros + 1, forgotten(history.ones)];
  const least = { zeros: bounded(zeros, Math.min(zeros, ones)), ones: bounded(ones, Math.min(zeros, ones)) };
  return { ...least, last: least.zeros === 0 ? 1 : least.ones === 0 ? 0 : bit };
}

/** All histories, by number; 0 is the empty one. */
const histories: History[] = [{ zeros: 0, ones: 0, last: 0 }];
const next: [number[], number[]] = [[], []];
const numbers = new Map([["0,0,0", 0]]);
for (let number = 0; number < histories.length; number++)
  for (const bit of [0, 1] as const) {
    const following = after(histories[number] ?? { zeros: 0, ones: 0, last: 0 }, bit);
    const name = `${following.zeros},${following.ones},${following.last}`;
    const known = numbers.get(name) ?? histories.length;
    if (known === histories.length) {
      numbers.set(name, known);
      histories.push(following);
    }
    next[bit][number] = known;
  }

/** At most 256. */
export const HISTORIES: number = histories.length;
/** The history that follows when the bit is 0, and when it is 1. */
export const AFTER_ZERO: Uint8Array = Uint8Array.from({ length: 256 }, (_, number) => next[0][number] ?? 0);
export const AFTER_ONE: Uint8Array = Uint8Array.from({ length: 256 }, (_, number) => next[1][number] ?? 0);
/** How many bits a history remembers: of two, the one with fewer is the smaller loss. */
export const WEIGHT: Uint8Array = Uint8Array.from({ length: 256 }, (_, number) => {
  const { zeros = 0, ones = 0 } = histories[number] ?? {};
  return zeros + ones;
});
/** The probability of a one that a history begins with, in 2^-22. */
export const FIRST_PROBABILITY: Uint32Array = Uint32Array.from({ length: 256 }, (_, number) => {
  const { zeros = 0, ones = 0 } = histories[number] ?? {};
  return Math.floor(((ones * 10 + 3) * (2 ** 22 - 1)) / ((zeros + ones) * 10 + 6));
});
