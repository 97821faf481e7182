import { mutateBytes } from "./mutate-bytes.ts";
import { pick, type Random } from "./random.ts";

/** Values that a field is not meant to hold, as JSON: some cannot be said by JSON.stringify. */
const STRANGERS: readonly string[] = [
  "null", "true", "false", "0", "-0", "-1", "1", "0.5", "4096", "2147483648", "4294967296", "9007199254740991", "9007199254740993",
  "1e308", "1e999", "-1e999", "1e-320", "[]", "{}", '""', '"a"', '"../../etc/passwd"', '"/etc/passwd"', '"a\\u0000b"', '"\\ud800"',
  '"__proto__"', '{"__proto__":{"x":1}}', '{"constructor":1}', '"2020-01-01T00:00:00.000Z"', '"-oProxyCommand=x"', '"a\\nb"',
  JSON.stringify("x".repeat(5000)), JSON.stringify("f".repeat(64)), JSON.stringify("a".repeat(64)), `${"[".repeat(3000)}${"]".repeat(3000)}`,
];

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Stands for a stranger until the text is written. */
function placeholder(random: Random, strangers: string[]): string {
  strangers.push(pick(random, STRANGERS));
  return `stranger-${strangers.length - 1}-`;
}

interface Place {
  readonly holder: Json[] | { [key: string]: Json };
  readonly key: string;
}

function places(value: Json, found: Place[] = []): Place[] {
  if (typeof value !== "object" || value === null) return found;
  for (const [key, child] of Object.entries(value)) {
    found.push({ holder: value, key });
    places(child, found);
  }
  return found;
}

function get({ holder, key }: Place): Json {
  return (holder as { [key: string]: Json })[key] ?? null;
}

function set({ holder, key }: Place, value: Json): void {
  (holder as { [key: string]: Json })[key] = value;
}

function nudged(random: Random, value: Json): Json {
  if (typeof value === "number") return pick(random, [value + 1, value - 1, value * 2, -value, value + 0.5, value * 4096]);
  if (typeof value === "string") {
    const at = random(value.length + 1);
    return value.slice(0, at) + pick(random, ["", "-", "0", "a", ".", "/", "\0", ",", "é"]) + value.slice(at + random(2));
  }
  return typeof value === "boolean" ? !value : value;
}

function change(random: Random, root: Json, other: Json, strangers: string[]): void {
  const all = places(root);
  if (all.length === 0) return;
  const place = pick(random, all);
  const { holder, key } = place;
  switch (random(7)) {
    case 0:
    case 1:
      set(place, placeholder(random, strangers));
      break;
    case 2:
      if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else Reflect.deleteProperty(holder, key);
      break;
    case 3:
      if (Array.isArray(holder)) holder.push(...Array.from({ length: pick(random, [1, 2, 300]) }, () => structuredClone(get(place))));
      else holder[pick(random, ["x", "constructor", `${key}s`])] = structuredClone(get(place));
      break;
    case 4: {
      const theirs = places(other);
      if (theirs.length > 0) set(place, structuredClone(get(pick(random, theirs))));
      break;
    }
    case 5: {
      const second = pick(random, all);
      const value = structuredClone(get(second));
      set(second, structuredClone(get(place)));
      set(place, value);
      break;
    }
    default:
      set(place, nudged(random, get(place)));
  }
}

/** Changes values in a JSON text, and now and then its bytes. */
export function mutateJson(random: Random, input: Buffer, other: Buffer): Buffer {
  if (random(5) === 0) return mutateBytes(random, input, other);
  const root = JSON.parse(input.toString()) as Json;
  const theirs = JSON.parse(other.toString()) as Json;
  const strangers: string[] = [];
  do change(random, root, theirs, strangers);
  while (random(2) === 0);
  const text = JSON.stringify(root).replaceAll(/"stranger-(\d+)-"/g, (_, index: string) => strangers[Number(index)] ?? "null");
  return Buffer.from(text);
}
