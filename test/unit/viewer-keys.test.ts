import { describe, expect, it } from "vitest";
import { keysymOf, ROBOT_KEYS, robotKeyboard, xKeycode, xtOfVirtualCode } from "../../viewer/keys.ts";
import { keyForName } from "../../vm/rfb/keymap.ts";

/** Virtual codes as libuiohook's uiohook.h has them. */
const VIRTUAL_CODES: readonly (readonly [code: number, name: string])[] = [
  [0x01, "escape"],
  [0x1e, "a"],
  [0x58, "f12"],
  [0x45, "numlock"],
  [0x0e1c, "kp_enter"],
  [0x0e1d, "ctrl_r"],
  [0x0e37, "print"],
  [0x0e38, "altgr"],
  [0x0e47, "home"],
  [0xe048, "up"],
  [0xe04b, "left"],
  [0xe050, "down"],
  [0x0e53, "delete"],
  [0x0e5b, "super"],
  [0x0e5d, "menu"],
];

describe("the place of a key", () => {
  it.each(VIRTUAL_CODES)("is found from libuiohook's code %i: %s", (code, name) => {
    expect(xtOfVirtualCode(code)).toBe(keyForName(name).keycode);
  });

  it("is the same on the keypad with and without Num Lock", () => {
    expect(xtOfVirtualCode(0x4f)).toBe(0x4f);
    expect(xtOfVirtualCode(0xee4f)).toBe(0x4f);
  });

  it("is unknown for what libuiohook does not name, and for nonsense", () => {
    for (const code of [0, 0x59, 0xff75, 0x0eff, 0x12345]) expect(xtOfVirtualCode(code)).toBe(0);
  });

  it("has an X keycode, each another", () => {
    const keys = Array.from({ length: 256 }, (_, xt) => xt).filter((xt) => xKeycode(xt) !== 0);
    expect(keys.length).toBeGreaterThan(105);
    expect(new Set(keys.map(xKeycode)).size).toBe(keys.length);
  });
});

const [SHIFT, LOCK, NUM_LOCK, LEVEL_3, GROUP_2] = [1, 2, 16, 128, 1 << 13];

describe("the keysym of a key", () => {
  // As GetKeyboardMapping gives them: two groups of two levels, then the third and fourth level of each.
  const german = { q: [0x71, 0x51, 0x6cf, 0x6ef, 0x40, 0x7d9], two: [0x32, 0x22, 0x32, 0x22, 0xb2, 0xac2] };

  it("depends on Shift, Caps Lock and AltGr", () => {
    expect(keysymOf(german.q, 0)).toBe(0x71);
    expect(keysymOf(german.q, SHIFT)).toBe(0x51);
    expect(keysymOf(german.q, LOCK)).toBe(0x51);
    expect(keysymOf(german.q, LOCK | SHIFT)).toBe(0x71);
    expect(keysymOf(german.q, LEVEL_3)).toBe(0x40);
    expect(keysymOf(german.q, LEVEL_3 | SHIFT)).toBe(0x7d9);
  });

  it("is of the second group when that is chosen, if there is one", () => {
    expect(keysymOf(german.q, GROUP_2)).toBe(0x6cf);
    expect(keysymOf([0x71, 0x51], GROUP_2 | SHIFT)).toBe(0x51);
  });

  it("is not changed by Caps Lock on a key that is no letter", () => {
    expect(keysymOf(german.two, LOCK)).toBe(0x32);
  });

  it("is a number on the keypad only with Num Lock", () => {
    const one = [0xff9c, 0xffb1];
    expect([0, NUM_LOCK, SHIFT, NUM_LOCK | SHIFT].map((mask) => keysymOf(one, mask))).toEqual([
      0xff9c, 0xffb1, 0xffb1, 0xff9c,
    ]);
  });

  it("is 0 when nothing is known", () => {
    expect(keysymOf([], SHIFT)).toBe(0);
  });
});

describe("robotjs's keyboard", () => {
  it("has a name of its own for every key of a PC keyboard", () => {
    const names = [...ROBOT_KEYS.values()].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const pc = Array.from({ length: 0x58 }, (_, i) => i + 1).filter((xt) => ![0x54, 0x55].includes(xt));
    for (const xt of [...pc, 0x9c, 0x9d, 0xb5, 0xb7, 0xb8, 0xc6, 0xd3, 0xdb, 0xdc, 0xdd]) {
      expect(ROBOT_KEYS.get(xt)?.name, xt.toString(16)).toMatch(/./);
    }
  });

  it("has every keysym once, on the key's own place", () => {
    const keyboard = robotKeyboard();
    const keysyms = [...keyboard.values()].flat().filter((keysym) => keysym !== 0);
    expect(new Set(keysyms).size).toBe(keysyms.length);
    expect(keyboard.get(38)).toEqual([0x61, 0x41]);
    expect(keyboard.has(0)).toBe(false);
  });
});
