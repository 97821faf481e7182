import { delay } from "../../../../common/abort.ts";
import { keyOf, SHIFT, type Key } from "./keys.ts";

/** More would take minutes, and belongs into a file. */
export const MAX_TYPED_CHARACTERS = 2000;
/** Between characters: guests' keyboards hold few of them back. */
const CHARACTER_MS = 40;
/** After a line: what it began is looked at before the next one. */
const LINE_MS = 250;

/** Presses or releases a key. */
export type SendKey = (key: Key, down: boolean) => void;

/** What can be typed of a text, line ends made alike, and each character that cannot, once. */
export function typeable(text: string): { readonly characters: readonly string[]; readonly leftOut: readonly string[] } {
  const all = Array.from(text.replaceAll(/\r\n?/g, "\n"));
  return {
    characters: all.filter((character) => keyOf(character) !== undefined),
    leftOut: [...new Set(all.filter((character) => keyOf(character) === undefined))],
  };
}

/** Presses the keys in order and releases them. */
export function press(send: SendKey, keys: readonly Key[]): void {
  for (const key of keys) send(key, true);
  for (const key of [...keys].reverse()) send(key, false);
}

/** Types the characters at a pace that machines can follow. @param onTyped how many so far @throws the signal's reason */
export async function typeText(
  characters: readonly string[],
  send: SendKey,
  { signal, onTyped }: { readonly signal: AbortSignal; readonly onTyped: (count: number) => void },
): Promise<void> {
  for (const [i, character] of characters.entries()) {
    const key = keyOf(character);
    if (key !== undefined) press(send, key.shift ? [SHIFT, key] : [key]);
    onTyped(i + 1);
    await delay(character === "\n" ? LINE_MS : CHARACTER_MS, signal);
  }
}
