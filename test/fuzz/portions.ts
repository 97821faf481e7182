import assert from "node:assert/strict";
import { HomewardError } from "../../common/errors.ts";
import type { Random } from "./random.ts";

/** Tells what a stream said; the parser of a stream gets its portions in order. */
type ReadStream = (portions: Iterable<Buffer>, heard: (thing: unknown) => void) => void;

function* cutUp(random: Random, input: Buffer, most: number): Generator<Buffer, void, undefined> {
  for (let at = 0; at < input.length; ) {
    const end = Math.min(input.length, at + 1 + random(most));
    // A copy of its own, as a socket gives it.
    yield Buffer.from(input.subarray(at, end));
    at = end;
  }
}

interface Told {
  readonly things: unknown[];
  readonly error: Error | null;
}

function listen(read: ReadStream, portions: Iterable<Buffer>): Told {
  const things: unknown[] = [];
  try {
    read(portions, (thing) => things.push(thing));
    return { things, error: null };
  } catch (error) {
    return { things, error: error instanceof Error ? error : new Error(String(error)) };
  }
}

function comparable({ things, error }: Told): unknown {
  return { things, error: error instanceof HomewardError ? [error.code, error.message] : error };
}

/**
 * Reads a stream as a whole and in portions of any size, and makes sure that it said the same.
 * @throws what reading it throws
 */
export function inAnyPortions(input: Buffer, random: Random, read: ReadStream): void {
  const whole = listen(read, [input]);
  const most = [1, 7, 64, 4096][random(4)] ?? 1;
  const cut = listen(read, cutUp(random, input, most));
  assert.deepEqual(comparable(cut), comparable(whole), "a stream means something else in other portions");
  if (whole.error !== null) throw whole.error;
}
