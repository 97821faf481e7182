import { HomewardError } from "../../common/errors.ts";

/** `keycode` is the XT scan code, 0xe0-prefixed ones with bit 7 set, as QEMU's extended key event wants it. */
export interface Key {
  /** X11 keysym (keysymdef.h). */
  readonly keysym: number;
  readonly keycode: number;
}

export interface CharKey extends Key {
  /** Shift has to be held to get this character on a US keyboard. */
  readonly shift: boolean;
}

/** Scan code of the first key, then the characters of the keys that follow it, without and with shift. */
const CHARACTER_ROWS: readonly (readonly [number, string, string])[] = [
  [0x02, "1234567890-=", "!@#$%^&*()_+"],
  [0x10, "qwertyuiop[]", "QWERTYUIOP{}"],
  [0x1e, "asdfghjkl;'`", 'ASDFGHJKL:"~'],
  [0x2b, "\\zxcvbnm,./", "|ZXCVBNM<>?"],
  [0x39, " ", ""],
];

const NAMED_KEYS: Readonly<Record<string, Key>> = {
  escape: { keysym: 0xff1b, keycode: 0x01 },
  backspace: { keysym: 0xff08, keycode: 0x0e },
  tab: { keysym: 0xff09, keycode: 0x0f },
  enter: { keysym: 0xff0d, keycode: 0x1c },
  space: { keysym: 0x20, keycode: 0x39 },
  ctrl: { keysym: 0xffe3, keycode: 0x1d },
  ctrl_r: { keysym: 0xffe4, keycode: 0x9d },
  shift: { keysym: 0xffe1, keycode: 0x2a },
  shift_r: { keysym: 0xffe2, keycode: 0x36 },
  alt: { keysym: 0xffe9, keycode: 0x38 },
  alt_r: { keysym: 0xffea, keycode: 0xb8 },
  altgr: { keysym: 0xfe03, keycode: 0xb8 },
  super: { keysym: 0xffeb, keycode: 0xdb },
  super_r: { keysym: 0xffec, keycode: 0xdc },
  menu: { keysym: 0xff67, keycode: 0xdd },
  capslock: { keysym: 0xffe5, keycode: 0x3a },
  numlock: { keysym: 0xff7f, keycode: 0x45 },
  scrolllock: { keysym: 0xff14, keycode: 0x46 },
  print: { keysym: 0xff61, keycode: 0xb7 },
  insert: { keysym: 0xff63, keycode: 0xd2 },
  delete: { keysym: 0xffff, keycode: 0xd3 },
  home: { keysym: 0xff50, keycode: 0xc7 },
  end: { keysym: 0xff57, keycode: 0xcf },
  pageup: { keysym: 0xff55, keycode: 0xc9 },
  pagedown: { keysym: 0xff56, keycode: 0xd1 },
  up: { keysym: 0xff52, keycode: 0xc8 },
  down: { keysym: 0xff54, keycode: 0xd0 },
  left: { keysym: 0xff51, keycode: 0xcb },
  right: { keysym: 0xff53, keycode: 0xcd },
  kp_enter: { keysym: 0xff8d, keycode: 0x9c },
  f1: { keysym: 0xffbe, keycode: 0x3b },
  f2: { keysym: 0xffbf, keycode: 0x3c },
  f3: { keysym: 0xffc0, keycode: 0x3d },
  f4: { keysym: 0xffc1, keycode: 0x3e },
  f5: { keysym: 0xffc2, keycode: 0x3f },
  f6: { keysym: 0xffc3, keycode: 0x40 },
  f7: { keysym: 0xffc4, keycode: 0x41 },
  f8: { keysym: 0xffc5, keycode: 0x42 },
  f9: { keysym: 0xffc6, keycode: 0x43 },
  f10: { keysym: 0xffc7, keycode: 0x44 },
  f11: { keysym: 0xffc8, keycode: 0x57 },
  f12: { keysym: 0xffc9, keycode: 0x58 },
};

function characterTable(): Map<string, CharKey> {
  const table = new Map<string, CharKey>();
  for (const [first, plain, shifted] of CHARACTER_ROWS) {
    for (const [characters, shift] of [
      [plain, false],
      [shifted, true],
    ] as const)
      for (let i = 0; i < characters.length; i++)
        table.set(characters.charAt(i), { keysym: characters.charCodeAt(i), keycode: first + i, shift });
  }
  table.set("\n", { keysym: 0xff0d, keycode: 0x1c, shift: false });
  table.set("\t", { keysym: 0xff09, keycode: 0x0f, shift: false });
  return table;
}

const CHARACTERS = characterTable();
const NAMES_BY_KEYSYM = new Map(Object.entries(NAMED_KEYS).map(([name, key]) => [key.keysym, name]));

/** How to type a character on a US keyboard; line feed is Enter. @throws USAGE if it has no key there */
export function keyForChar(character: string): CharKey {
  const key = CHARACTERS.get(character);
  if (key === undefined) throw new HomewardError("USAGE", `no key of a US keyboard types "${character}"`);
  return key;
}

/** A key by its lower-case name: "enter", "ctrl", "f5", "pageup" or a single character. @throws USAGE if unknown */
export function keyForName(name: string): Key {
  const key = Object.hasOwn(NAMED_KEYS, name) ? NAMED_KEYS[name] : CHARACTERS.get(name);
  if (key !== undefined) return { keysym: key.keysym, keycode: key.keycode };
  throw new HomewardError("USAGE", `no key is called "${name}"`);
}

/** The name that keyForName knows a keysym by, or undefined for characters and keys without one. */
export function nameOfKeysym(keysym: number): string | undefined {
  return NAMES_BY_KEYSYM.get(keysym);
}
