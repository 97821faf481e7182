import { crc32 } from "node:zlib";
import { seededRandom } from "../../demo/session/random.ts";

/** Whole numbers from 0 to below `limit`. */
export type Random = (limit: number) => number;

/** The same numbers for the same words. */
export function randomFrom(...words: readonly (string | number)[]): Random {
  const next = seededRandom(crc32(JSON.stringify(words)));
  return (limit) => Math.floor(next() * limit);
}

export function pick<T>(random: Random, list: readonly T[]): T {
  const item = list[random(list.length)];
  if (item === undefined) throw new RangeError("nothing to pick from");
  return item;
}

export function randomBytes(random: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = random(256);
  return bytes;
}
