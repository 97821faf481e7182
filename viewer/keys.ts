import { keyForChar } from "../vm/rfb/keymap.ts";

/**
 * The same key in the words of three worlds. QEMU's extended key event names it by XT scan code (0xe0-prefixed ones with
 * bit 7 set), the X server by keycode (evdev's: Linux's code + 8), libuiohook by a "virtual code" (VC_… in uiohook.h), which
 * is the scan code with a prefix of its own. All name the place of the key, never what is printed on it.
 */

/** Keys 1 to 0x58 have the same number everywhere in Linux; these are the others. XT scan code -> X keycode. */
const FURTHER_KEYS: ReadonlyMap<number, number> = new Map([
  [0x9c, 104], // keypad Enter
  [0x9d, 105], // right Ctrl
  [0xb5, 106], // keypad /
  [0xb7, 107], // Print
  [0xb8, 108], // right Alt, AltGr
  [0xc7, 110], // Home
  [0xc8, 111], // Up
  [0xc9, 112], // Page Up
  [0xcb, 113], // Left
  [0xcd, 114], // Right
  [0xcf, 115], // End
  [0xd0, 116], // Down
  [0xd1, 117], // Page Down
  [0xd2, 118], // Insert
  [0xd3, 119], // Delete
  [0xa0, 121], // mute
  [0xae, 122], // quieter
  [0xb0, 123], // louder
  [0xc6, 127], // Pause
  [0xdb, 133], // left Super
  [0xdc, 134], // right Super
  [0xdd, 135], // Menu
  [0x73, 97], // the key left of the right Shift on Brazilian and Japanese keyboards
  [0x78, 98], // Katakana
  [0x77, 99], // Hiragana
  [0x79, 100], // Henkan
  [0x70, 101], // Hiragana/Katakana
  [0x7b, 102], // Muhenkan
  [0x7d, 132], // Yen
]);
const LAST_PLAIN_KEY = 0x58;
/** No keys: 0x54 is Alt+Print, 0x55 is not used. */
const NOT_PLAIN: readonly number[] = [0x54, 0x55];

/** @returns the X keycode of a key, 0 if it has none that is known here */
export function xKeycode(xt: number): number {
  return xt >= 1 && xt <= LAST_PLAIN_KEY && !NOT_PLAIN.includes(xt) ? xt + 8 : (FURTHER_KEYS.get(xt) ?? 0);
}

/** Virtual codes that are not made like the others. */
const ODD_VIRTUAL_CODES: ReadonlyMap<number, number> = new Map([
  [0x0e45, 0xc6], // Pause
  [0x0e46, 0x56], // < > |, on other systems than X11
  [0x70, 0x78], // Katakana
  [0x7b, 0x77], // Hiragana
  [0x79, 0x79], // Henkan
  [0x7d, 0x7d], // Yen
]);

/**
 * XT scan code of libuiohook's virtual code. Prefixes 0x0e and 0xe0 stand for 0xe0; 0xee marks a key of the keypad while Num
 * Lock is off, which is the same key.
 * @returns 0 for what libuiohook has no name for, such as the key left of Z on European keyboards
 */
export function xtOfVirtualCode(code: number): number {
  const odd = ODD_VIRTUAL_CODES.get(code);
  if (odd !== undefined) return odd;
  const [prefix, low] = [code >> 8, code & 0xff];
  if (prefix === 0 || prefix === 0xee) return low <= LAST_PLAIN_KEY ? low : 0;
  return (prefix === 0x0e || prefix === 0xe0) && low <= 0x7f ? low | 0x80 : 0;
}

/** Keys that libuiohook does not name on X11 (its input_helper.c), by XT scan code. */
export const UNNAMED_KEYS: readonly number[] = [0x56, 0x73, 0x70, 0x7b];

const [SHIFT, LOCK, NUM_LOCK, LEVEL_3] = [0x01, 0x02, 0x10, 0x80];

function isKeypad(keysym: number): boolean {
  return keysym >= 0xff80 && keysym <= 0xffbd;
}

function isLetter(keysym: number): boolean {
  const character = keysym < 0x100 ? String.fromCharCode(keysym) : "";
  return character.toLowerCase() !== character.toUpperCase();
}

/**
 * The keysym that a key means under the layout and modifiers of an X server, by the rules of the X11 protocol, chapter 5,
 * with the third and fourth level (AltGr) where XKB puts them for core clients.
 * @param keysyms of the key, as GetKeyboardMapping gives them
 * @param mask modifiers and group, as QueryPointer gives them
 * @returns 0 if nothing is known
 */
export function keysymOf(keysyms: readonly number[], mask: number): number {
  const at = (index: number): number => keysyms[index] ?? 0;
  const second = ((mask >> 13) & 3) > 0 && at(2) !== 0;
  const shift = (mask & SHIFT) !== 0;
  const base = second ? 2 : 0;
  const [plain, shifted] = [at(base), at(base + 1)];
  if ((mask & LEVEL_3) !== 0) {
    const third = at((second ? 6 : 4) + (shift ? 1 : 0));
    if (third !== 0) return third;
  }
  if (isKeypad(plain) || isKeypad(shifted)) {
    const number = ((mask & NUM_LOCK) !== 0) !== shift;
    return number && shifted !== 0 ? shifted : plain;
  }
  const upper = shift !== ((mask & LOCK) !== 0 && isLetter(plain));
  return upper && shifted !== 0 ? shifted : plain;
}

/** How robotjs calls a key, and which keysyms it must have for that. */
export interface RobotKey {
  readonly name: string;
  /** Without and with Shift. */
  readonly keysyms: readonly [number, number];
}

/** What robotjs calls by name and finds by that keysym. */
const NAMED: readonly (readonly [xt: number, name: string, keysym: number])[] = [
  [0x01, "escape", 0xff1b],
  [0x0e, "backspace", 0xff08],
  [0x0f, "tab", 0xff09],
  [0x1c, "enter", 0xff0d],
  [0x1d, "control", 0xffe3],
  [0x2a, "shift", 0xffe1],
  [0x36, "right_shift", 0xffe2],
  [0x38, "alt", 0xffe9],
  [0x39, "space", 0x20],
  ...Array.from({ length: 10 }, (_, i) => [0x3b + i, `f${i + 1}`, 0xffbe + i] as const),
  [0x57, "f11", 0xffc8],
  [0x58, "f12", 0xffc9],
  [0x9d, "right_control", 0xffe4],
  [0xb7, "printscreen", 0xff61],
  [0xb8, "right_alt", 0xffea],
  [0xc7, "home", 0xff50],
  [0xc8, "up", 0xff52],
  [0xc9, "pageup", 0xff55],
  [0xcb, "left", 0xff51],
  [0xcd, "right", 0xff53],
  [0xcf, "end", 0xff57],
  [0xd0, "down", 0xff54],
  [0xd1, "pagedown", 0xff56],
  [0xd2, "insert", 0xff63],
  [0xd3, "delete", 0xffff],
  [0xdb, "command", 0xffeb],
];

/** Keysyms that robotjs has a name for and no keyboard needs: F13 to F24, and XF86's media keys. */
const SPARE: readonly (readonly [name: string, keysym: number])[] = [
  ...Array.from({ length: 12 }, (_, i) => [`f${i + 13}`, 0xffca + i] as const),
  ["audio_vol_down", 0x1008ff11],
  ["audio_mute", 0x1008ff12],
  ["audio_vol_up", 0x1008ff13],
  ["audio_play", 0x1008ff14],
  ["audio_stop", 0x1008ff15],
  ["audio_prev", 0x1008ff16],
  ["audio_next", 0x1008ff17],
  ["audio_pause", 0x1008ff31],
  ["audio_rewind", 0x1008ff3e],
  ["audio_forward", 0x1008ff97],
  ["audio_repeat", 0x1008ff98],
  ["audio_random", 0x1008ff99],
  ["lights_mon_up", 0x1008ff02],
  ["lights_mon_down", 0x1008ff03],
  ["lights_kbd_toggle", 0x1008ff04],
  ["lights_kbd_up", 0x1008ff05],
  ["lights_kbd_down", 0x1008ff06],
];

/** Keys that robotjs has no name for (on X11 the whole keypad, Caps Lock, …): each takes a spare one. */
const NAMELESS: readonly number[] = [
  ...[0x3a, 0x45, 0x46, 0x56, 0x37, 0x9c, 0xb5, 0xc6, 0xdc, 0xdd, 0x73, 0x7d],
  ...Array.from({ length: 13 }, (_, i) => 0x47 + i),
];

const CHARACTERS = "1234567890-=qwertyuiop[]asdfghjkl;'`\\zxcvbnm,./";
const SHIFTED = '!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:"~|ZXCVBNM<>?';

function robotTable(): Map<number, RobotKey> {
  const table = new Map<number, RobotKey>();
  for (let i = 0; i < CHARACTERS.length; i++) {
    const name = CHARACTERS.charAt(i);
    table.set(keyForChar(name).keycode, { name, keysyms: [name.charCodeAt(0), SHIFTED.charCodeAt(i)] });
  }
  for (const [xt, name, keysym] of NAMED) table.set(xt, { name, keysyms: [keysym, 0] });
  NAMELESS.forEach((xt, i) => {
    const [name, keysym] = SPARE[i] ?? ["", 0];
    table.set(xt, { name, keysyms: [keysym, 0] });
  });
  return table;
}

/** XT scan code -> how robotjs presses that key on a keyboard that was laid out with `robotKeyboard`. */
export const ROBOT_KEYS: ReadonlyMap<number, RobotKey> = robotTable();

/** X keycode -> keysyms: a keyboard on which robotjs can press every key, at its own place. */
export function robotKeyboard(): Map<number, readonly [number, number]> {
  return new Map([...ROBOT_KEYS].map(([xt, { keysyms }]) => [xKeycode(xt), keysyms]));
}

/** X keycodes of Shift, Control, Alt and Super as modifiers, as setModifierMapping takes them: no key locks anything. */
export const ROBOT_MODIFIERS: readonly number[] = [50, 62, 0, 0, 37, 105, 64, 108, 0, 0, 0, 0, 133, 134, 0, 0];
