import diff from "fast-diff";
import { compare, type Excused, type Picture } from "./picture.ts";

/** A stretch of steps over which the screen was as recorded, was something else, or was as recorded again. */
export interface PathSegment {
  readonly kind: "same" | "left" | "returned";
  readonly fromStep: number;
  readonly toStep: number;
  /** For people. */
  readonly text: string;
}

interface Entry {
  readonly step: number;
  /** What the screen should have shown and what it showed, each as the number of a distinct picture. */
  readonly recorded: number;
  readonly seen: number;
  /** How the two differ; empty when they do not. */
  readonly difference: string;
}

interface KnownPicture {
  readonly picture: Picture;
  readonly token: number;
}

/** Distinct pictures remembered: a screen that shows an older one gets a new token, which costs only readability. */
const REMEMBERED = 32;
/** Steps compared in one go; bounds the time of a comparison of timelines that have nothing in common. */
const CHUNK = 400;
const MAX_SEGMENTS = 200;
/** Tokens are written as UTF-16 units below the surrogates, which fast-diff treats specially. */
const FIRST_UNIT = 0x21;
const UNITS = 0xd800 - FIRST_UNIT;

/** The recorded and the seen timeline of a replay: which picture was on the screen before each step. */
export class Timeline {
  readonly #known: KnownPicture[] = [];
  readonly #entries: Entry[] = [];
  #tokens = 0;

  /** Notes what a step should have seen and what it saw; `difference` says in words how they differ. */
  note(step: number, recorded: Picture, seen: Picture, excused: Excused, matched: boolean, difference: string): void {
    const recordedToken = this.#token(recorded, excused);
    const seenToken = matched ? recordedToken : this.#token(seen, excused);
    this.#entries.push({ step, recorded: recordedToken, seen: seenToken, difference });
  }

  #token(picture: Picture, excused: Excused): number {
    const known = this.#known.findLast((other) => compare(other.picture, picture, excused).matches);
    if (known !== undefined) return known.token;
    const { width, height, grid } = picture;
    const token = this.#tokens++;
    this.#known.push({ picture: { width, height, grid: grid.slice() }, token });
    if (this.#known.length > REMEMBERED) this.#known.shift();
    return token;
  }

  /** Where the replay left the recorded path and where it came back; at most 200 segments. */
  path(): PathSegment[] {
    const segments: PathSegment[] = [];
    for (let at = 0; at < this.#entries.length; at += CHUNK)
      for (const segment of chunkPath(this.#entries.slice(at, at + CHUNK))) append(segments, segment);
    return segments.slice(0, MAX_SEGMENTS).map(({ kind, fromStep, toStep, text }, i) => {
      const back = kind === "same" && i > 0;
      return { kind: back ? "returned" : kind, fromStep, toStep, text: back ? `back on the path: ${text}` : text };
    });
  }
}

function unit(token: number): string {
  return String.fromCharCode(FIRST_UNIT + (token % UNITS));
}

function steps(from: number, to: number): string {
  return from === to ? `step ${from}` : `steps ${from} to ${to}`;
}

/** Joins a segment to the one before where a chunk's border cut it. */
function append(segments: PathSegment[], next: PathSegment): void {
  const last = segments.at(-1);
  if (last?.kind !== next.kind) segments.push(next);
  else
    segments[segments.length - 1] = {
      kind: last.kind,
      fromStep: last.fromStep,
      toStep: next.toStep,
      text: last.text.replace(/^steps? \d+( to \d+)?/, steps(last.fromStep, next.toStep)),
    };
}

/** The differences of the two timelines, told along the seen one. */
function chunkPath(entries: readonly Entry[]): PathSegment[] {
  const recorded = entries.map((entry) => unit(entry.recorded)).join("");
  const seen = entries.map((entry) => unit(entry.seen)).join("");
  const segments: PathSegment[] = [];
  let at = 0;
  let recordedAt = 0;
  for (const [operation, text] of diff(recorded, seen)) {
    if (operation === diff.DELETE) {
      recordedAt += text.length;
      continue;
    }
    const first = entries[at]?.step ?? 0;
    const last = entries[at + text.length - 1]?.step ?? first;
    if (operation === diff.EQUAL) {
      const shift = (entries[recordedAt]?.step ?? first) - first;
      append(segments, { kind: "same", fromStep: first, toStep: last, text: sameText(first, last, shift) });
      recordedAt += text.length;
    } else {
      const difference = entries[at]?.difference ?? "";
      append(segments, { kind: "left", fromStep: first, toStep: last, text: leftText(first, last, difference) });
    }
    at += text.length;
  }
  return segments;
}

function sameText(first: number, last: number, shift: number): string {
  if (shift === 0) return `${steps(first, last)}: the screen was as recorded`;
  const distance = Math.abs(shift) === 1 ? "1 step" : `${Math.abs(shift)} steps`;
  return `${steps(first, last)}: the screen showed what was recorded ${distance} ${shift < 0 ? "earlier" : "later"}`;
}

function leftText(first: number, last: number, difference: string): string {
  const detail = difference === "" ? "" : ` (first: ${difference})`;
  return `${steps(first, last)}: the screen was not as recorded${detail}`;
}
