import type { KeyInput } from "../protocol/input-log.ts";
import { nameOfKeysym } from "../vm/rfb/keymap.ts";
import type { Line, LineQueue } from "./describe-lines.ts";

/** A pause after which typing starts a new line. */
const NEW_LINE_AFTER_MS = 3000;
const MAX_KEYS = 400;
const FIRST_MODIFIER = 0xffe1;
const LAST_MODIFIER = 0xffee;
const ALTGR = 0xfe03;
/** Keysyms of characters outside Latin-1 are 0x01000000 and the code point (keysymdef.h). */
const UNICODE = 0x01000000;
const LAST_CODE_POINT = 0x10ffff;
const CHORDS: readonly (readonly [string, number, number])[] = [
  ["Ctrl+", 0xffe3, 0xffe4],
  ["Alt+", 0xffe9, 0xffea],
  ["Super+", 0xffeb, 0xffec],
];

function characterOf(keysym: number): string | undefined {
  const latin1 = (keysym >= 0x20 && keysym <= 0x7e) || (keysym >= 0xa0 && keysym <= 0xff);
  if (latin1) return String.fromCharCode(keysym);
  const point = keysym - UNICODE;
  return point >= 0x100 && point <= LAST_CODE_POINT ? String.fromCodePoint(point) : undefined;
}

function nameOf(keysym: number): string {
  const name = nameOfKeysym(keysym);
  return name === undefined ? `key 0x${keysym.toString(16)}` : name.charAt(0).toUpperCase() + name.slice(1);
}

/** Puts what is typed in one go on one line: characters together in quotes, other keys and chords by name. */
export class TypingLines {
  readonly #lines: LineQueue;
  readonly #showText: boolean;
  readonly #held = new Set<number>();
  #line: Line | undefined;
  #parts: string[] = [];
  #text = "";
  #keys = 0;
  #characters = 0;
  #lastMs = 0;

  constructor(lines: LineQueue, showText: boolean) {
    this.#lines = lines;
    this.#showText = showText;
  }

  key(atMs: number, { down, keysym }: KeyInput): void {
    if (!down) {
      this.#held.delete(keysym);
      return;
    }
    if ((keysym >= FIRST_MODIFIER && keysym <= LAST_MODIFIER) || keysym === ALTGR) {
      this.#held.add(keysym);
      return;
    }
    if (this.#line !== undefined && atMs - this.#lastMs > NEW_LINE_AFTER_MS) this.end();
    this.#line ??= this.#lines.open(atMs);
    this.#lastMs = atMs;
    this.#keys++;
    this.#add(keysym);
  }

  /** Finishes the line. */
  end(): void {
    if (this.#line === undefined) return;
    this.#endText();
    this.#line.text = this.#showText ? `typed ${this.#parts.join(" ")}` : this.#masked();
    this.#line = undefined;
    this.#parts = [];
    this.#keys = 0;
    this.#characters = 0;
  }

  /** How much, and nothing of what: not even which other keys, which tell a password's mistakes. */
  #masked(): string {
    const others = this.#keys - this.#characters;
    const parts = [[this.#characters, "character"] as const, [others, "other key"] as const]
      .filter(([count]) => count > 0)
      .map(([count, what]) => `${count} ${what}${count === 1 ? "" : "s"}`);
    return `typed ${parts.join(" and ")}`;
  }

  #add(keysym: number): void {
    const chord = CHORDS.filter(([, left, right]) => this.#held.has(left) || this.#held.has(right))
      .map(([name]) => name)
      .join("");
    const character = characterOf(keysym);
    if (chord === "" && character !== undefined) {
      this.#text += character;
      this.#characters++;
    } else {
      this.#endText();
      const name = character ?? nameOf(keysym);
      this.#parts.push(chord + name);
      if (name === "Enter") this.end();
    }
    if (this.#keys >= MAX_KEYS) this.end();
  }

  #endText(): void {
    if (this.#text !== "") this.#parts.push(`'${this.#text}'`);
    this.#text = "";
  }
}
