import { ByteWriter } from "../../common/bytes.ts";
import { pick, randomBytes, type Random } from "./random.ts";

/** Numbers at which lengths, offsets and counts go wrong. */
const EXTREMES: readonly bigint[] = [
  0n, 1n, 2n, 3n, 7n, 8n, 9n, 12n, 16n, 127n, 128n, 129n, 255n, 256n, 4095n, 4096n, 4097n, 32_767n, 32_768n, 65_535n, 65_536n,
  (1n << 20n) - 1n, 1n << 20n, 1n << 24n, (1n << 31n) - 1n, 1n << 31n, (1n << 32n) - 1n, 1n << 32n, (1n << 53n) - 1n, 1n << 53n,
  (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n,
];

const MARKS = Buffer.from(">< \n,:'\"");
const MAX_INPUT_BYTES = 256 * 1024;

/** An extreme number as it may stand in an input: fixed or variable width, of either byte order. */
function extremeNumber(random: Random, input: Buffer): Buffer {
  const near = BigInt(Math.max(0, input.length + random(9) - 4));
  const value = random(4) === 0 ? near : pick(random, EXTREMES);
  if (random(4) === 0) return new ByteWriter(8).varint(Number(value & ((1n << 53n) - 1n))).finish();
  const eight = Buffer.alloc(8);
  eight.writeBigUInt64BE(value);
  const bytes = eight.subarray(8 - pick(random, [1, 2, 4, 8]));
  return random(3) === 0 ? Buffer.from(bytes).reverse() : Buffer.from(bytes);
}

function stretch(random: Random, input: Buffer): { readonly from: number; readonly to: number } {
  const from = random(input.length + 1);
  const most = random(4) === 0 ? input.length : 16;
  return { from, to: Math.min(input.length, from + 1 + random(most)) };
}

function overwrite(input: Buffer, at: number, bytes: Buffer): Buffer {
  const changed = Buffer.from(input);
  bytes.copy(changed, at);
  return changed;
}

function splice(input: Buffer, from: number, to: number, ...between: readonly Buffer[]): Buffer {
  return Buffer.concat([input.subarray(0, from), ...between, input.subarray(to)]);
}

type Mutation = (random: Random, input: Buffer, other: Buffer) => Buffer;

const MUTATIONS: readonly Mutation[] = [
  function flipBit(random, input) {
    const at = random(input.length);
    return overwrite(input, at, Buffer.of((input[at] ?? 0) ^ (1 << random(8))));
  },
  (random, input) => overwrite(input, random(input.length), Buffer.of(pick(random, [0, 1, 2, 127, 128, 254, 255, random(256)]))),
  (random, input) => overwrite(input, random(input.length), extremeNumber(random, input)),
  function replaceNumber(random, input) {
    const at = random(input.length);
    return splice(input, at, at + 1, extremeNumber(random, input));
  },
  (random, input) => input.subarray(0, random(input.length)),
  function remove(random, input) {
    const { from, to } = stretch(random, input);
    return splice(input, from, to);
  },
  function repeat(random, input) {
    const { from, to } = stretch(random, input);
    const times = random(8) === 0 ? 1 + random(64) : 1;
    return splice(input, to, to, ...Array.from({ length: times }, () => input.subarray(from, to)));
  },
  function reorder(random, input) {
    const { from, to } = stretch(random, input);
    const end = Math.min(input.length, to + 1 + random(32));
    return splice(input, from, end, input.subarray(to, end), input.subarray(from, to));
  },
  function insert(random, input) {
    const at = random(input.length + 1);
    return splice(input, at, at, randomBytes(random, 1 + random(8)));
  },
  function takeOver(random, input, other) {
    const { from, to } = stretch(random, other);
    const at = random(input.length + 1);
    const until = random(2) === 0 ? at : Math.min(input.length, at + to - from);
    return splice(input, at, until, other.subarray(from, to));
  },
  (random, input, other) => Buffer.concat([input.subarray(0, random(input.length + 1)), other.subarray(random(other.length + 1))]),
];

/** Changes an input in one to some places. @param other another valid input, of which pieces are taken */
export function mutateBytes(random: Random, input: Buffer, other: Buffer): Buffer {
  let changed = input;
  do {
    changed = pick(random, changed.length === 0 ? MUTATIONS.slice(-3) : MUTATIONS)(random, changed, other);
  } while (random(2) === 0);
  return changed.subarray(0, MAX_INPUT_BYTES);
}

/** From one place where words may begin or end to the next. */
function betweenMarks(random: Random, input: Buffer): { readonly from: number; readonly to: number } {
  const after = (from: number): number => {
    for (let at = from; at < input.length; at++) if (MARKS.includes(input[at] ?? 0)) return at + 1;
    return input.length;
  };
  const from = after(random(input.length + 1));
  return { from, to: after(from) };
}

/** The same for a text: words of its language are put in, or take the place of what is there. */
export function mutateText(random: Random, input: Buffer, other: Buffer, words: readonly string[]): Buffer {
  if (words.length === 0 || random(3) === 0) return mutateBytes(random, input, other);
  let changed = input;
  do {
    const { from, to } = random(2) === 0 ? stretch(random, changed) : betweenMarks(random, changed);
    changed = splice(changed, from, random(2) === 0 ? from : to, Buffer.from(pick(random, words)));
  } while (random(2) === 0);
  return changed.subarray(0, MAX_INPUT_BYTES);
}
