/** Keys by X11 keysym (keysymdef.h) and by place on a US keyboard (KeyboardEvent.code), as noVNC sends them. */
export interface Key {
  readonly keysym: number;
  readonly code: string;
}

export interface CharacterKey extends Key {
  readonly shift: boolean;
}

const letters = Array.from("abcdefghijklmnopqrstuvwxyz", (letter) => `Key${letter.toUpperCase()}`);
const digits = Array.from("1234567890", (digit) => `Digit${digit}`);
const signs = ["Minus", "Equal", "BracketLeft", "BracketRight", "Semicolon", "Quote", "Backquote", "Backslash", "Comma", "Period", "Slash"];
/** Codes, and the characters of their keys without and with shift. */
const ROWS: readonly (readonly [readonly string[], string, string])[] = [
  [letters, "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"],
  [digits, "1234567890", "!@#$%^&*()"],
  [signs, "-=[];'`\\,./", '_+{}:"~|<>?'],
];

const CHARACTERS = new Map<string, CharacterKey>([
  [" ", { keysym: 0x20, code: "Space", shift: false }],
  ["\n", { keysym: 0xff0d, code: "Enter", shift: false }],
  ["\t", { keysym: 0xff09, code: "Tab", shift: false }],
]);
for (const [codes, plain, shifted] of ROWS)
  for (const [i, code] of codes.entries())
    for (const [character, shift] of [
      [plain.charAt(i), false],
      [shifted.charAt(i), true],
    ] as const)
      CHARACTERS.set(character, { keysym: character.charCodeAt(0), code, shift });

/** How to type a character; undefined if no key of a US keyboard does. */
export function keyOf(character: string): CharacterKey | undefined {
  return CHARACTERS.get(character);
}

export const SHIFT: Key = { keysym: 0xffe1, code: "ShiftLeft" };
const CTRL: Key = { keysym: 0xffe3, code: "ControlLeft" };
const ALT: Key = { keysym: 0xffe9, code: "AltLeft" };
const functionKey = (n: number): Key => ({ keysym: 0xffbd + n, code: `F${n}` });

export interface SpecialKeys {
  readonly name: string;
  /** Pressed in this order and released in the other. */
  readonly keys: readonly Key[];
}

/** What the browser or the system of the person keeps for itself. */
export const SPECIAL_KEYS: readonly SpecialKeys[] = [
  { name: "Ctrl+Alt+Del", keys: [CTRL, ALT, { keysym: 0xffff, code: "Delete" }] },
  { name: "Esc", keys: [{ keysym: 0xff1b, code: "Escape" }] },
  { name: "Tab", keys: [{ keysym: 0xff09, code: "Tab" }] },
  { name: "Super", keys: [{ keysym: 0xffeb, code: "MetaLeft" }] },
  { name: "Alt+Tab", keys: [ALT, { keysym: 0xff09, code: "Tab" }] },
  { name: "Alt+F4", keys: [ALT, functionKey(4)] },
  { name: "Print", keys: [{ keysym: 0xff61, code: "PrintScreen" }] },
  ...[1, 2, 3, 4, 5, 6, 7].map((n) => ({ name: `Ctrl+Alt+F${n}`, keys: [CTRL, ALT, functionKey(n)] })),
];
