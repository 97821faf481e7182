import { describe, expect, it } from "vitest";
import { keyForChar, keyForName, nameOfKeysym } from "../../vm/rfb/keymap.ts";

describe("keymap", () => {
  it("knows every printable ASCII character", () => {
    const keys = new Set<string>();
    for (let code = 0x20; code < 0x7f; code++) {
      const { keysym, keycode, shift } = keyForChar(String.fromCharCode(code));
      expect(keysym).toBe(code);
      keys.add(`${keycode} ${String(shift)}`);
    }
    expect(keys.size).toBe(95);
  });

  it.each([
    ["a", 0x1e, false],
    ["A", 0x1e, true],
    ["1", 0x02, false],
    ["!", 0x02, true],
    ["-", 0x0c, false],
    ["|", 0x2b, true],
    ["/", 0x35, false],
    ["~", 0x29, true],
    ["\n", 0x1c, false],
  ])("types %j with key %i", (character, keycode, shift) => {
    expect(keyForChar(character)).toMatchObject({ keycode, shift });
  });

  it("knows keys by name and back", () => {
    expect(keyForName("enter")).toEqual({ keysym: 0xff0d, keycode: 0x1c });
    expect(keyForName("up")).toEqual({ keysym: 0xff52, keycode: 0xc8 });
    expect(keyForName("x")).toEqual({ keysym: 0x78, keycode: 0x2d });
    expect(nameOfKeysym(0xffbe)).toBe("f1");
    expect(nameOfKeysym(0x61)).toBeUndefined();
  });

  it("refuses what it does not know", () => {
    for (const unknown of ["ä", "", "toString"])
      expect(() => keyForChar(unknown)).toThrow(expect.objectContaining({ code: "USAGE" }) as Error);
    expect(() => keyForName("constructor")).toThrow(expect.objectContaining({ code: "USAGE" }) as Error);
  });
});
