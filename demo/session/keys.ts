import { HomewardError } from "../../common/errors.ts";
import { keyForChar, keyForName, type Key } from "../../vm/rfb/keymap.ts";

const MODIFIERS = ["ctrl", "alt", "shift", "super"] as const;
type Modifier = (typeof MODIFIERS)[number];

/** Keys that are pressed one after the other and let go of in reverse: modifiers first. */
export interface Chord {
  readonly modifiers: readonly Key[];
  readonly key: Key;
}

function isModifier(name: string): name is Modifier {
  return (MODIFIERS as readonly string[]).includes(name);
}

/**
 * Reads "ctrl-alt-t", "enter", "alt-f4", "ctrl--": modifiers, then one key, joined by hyphens. A lone modifier such as
 * "super" is a key like any other.
 * @throws USAGE naming the chord if a part of it is no key
 */
export function parseChord(text: string): Chord {
  // The last key may be the hyphen itself.
  const hyphen = text === "-" || text.endsWith("--");
  const parts = hyphen ? [...text.slice(0, -1).split("-").slice(0, -1), "-"] : text.split("-");
  const last = parts.pop() ?? "";
  const names = new Set(parts);
  if (last === "" || names.size !== parts.length || !parts.every(isModifier))
    throw new HomewardError("USAGE", `"${text}" is no key and no chord`, {
      hint: `Write modifiers (${MODIFIERS.join(", ")}) and one key, joined by hyphens: "ctrl-alt-t", "enter", "alt-f4".`,
    });
  const needsShift = last.length === 1 && keyForChar(last).shift;
  if (needsShift) names.add("shift");
  return { modifiers: [...names].map((name) => keyForName(name)), key: keyForName(last) };
}
