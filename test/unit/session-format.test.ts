import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { estimateSession } from "../../demo/session/estimate.ts";
import { parseSession, type Session } from "../../demo/session/format.ts";
import { parseChord } from "../../demo/session/keys.ts";
import { keyForName } from "../../vm/rfb/keymap.ts";

function session(steps: unknown[], more: Record<string, unknown> = {}): string {
  return JSON.stringify({ name: "a-test", description: "what it does", guest: "tiny", steps, ...more });
}

function steps(...list: unknown[]): Session["steps"] {
  return parseSession(session(list)).steps;
}

describe("a session file", () => {
  test("holds one action a step, short or long", () => {
    expect(steps({ click: [3, 4] }, { click: { at: [3, 4], button: "right" } })).toEqual([
      { click: { at: [3, 4], button: "left" } },
      { click: { at: [3, 4], button: "right" } },
    ]);
    expect(steps({ wait_still: 1.5 }, { wait_still: { seconds: 1, changed: 10 } })).toEqual([
      { wait_still: { seconds: 1.5, changed: 0, timeout: 20 } },
      { wait_still: { seconds: 1, changed: 10, timeout: 20 } },
    ]);
  });

  test("has a default pace", () => {
    expect(parseSession(session([{ wait: 1 }])).pace).toMatchObject({ key_ms: 90, jitter: 0.3 });
  });

  test.each([
    ["an unknown key", [{ wait: 1 }, { tpye: "ls" }], /step 2.*tpye/],
    ["two actions", [{ wait: 1, type: "x" }], /step 1: must have exactly one/],
    ["no action", [{}], /step 1: must have exactly one/],
    ["a character without a key", [{ wait: 1 }, { wait: 1 }, { type: "naïve" }], /step 3, type: .*ï/],
    ["a chord that is none", [{ keys: "ctrl-alt" + "-nokey" }], /step 1, keys: .*nokey/],
    ["a place off the screen's grid", [{ click: [-1, 5] }], /step 1, click/],
    ["no steps", [], /steps/],
  ])("is refused with %s, naming the step", (_, list, message) => {
    expect(() => parseSession(session(list))).toThrow(
      expect.objectContaining({ code: "USAGE", message: expect.stringMatching(message) as string }) as Error,
    );
  });

  test.each([
    [{ wait: "long" }, /step 1, wait/],
    [{ type: 5 }, /step 1, type/],
    [{ click: [1] }, /step 1, click/],
    [{ keys: ["ctrl", "s"] }, /step 1, keys/],
    [{ wait: null }, /step 1, wait/],
    [{ wait: 1e9 }, /step 1, wait/],
    [[], /step 1/],
    ["wait", /step 1/],
  ])("is refused with the wrong type %j", (step, message) => {
    expect(() => parseSession(session([step]))).toThrow(
      expect.objectContaining({ code: "USAGE", message: expect.stringMatching(message) as string }) as Error,
    );
  });

  test("is refused when it is huge, without being read as a whole", () => {
    const huge = session([{ type: "x".repeat(1024 * 1024) }]);
    expect(() => parseSession(huge)).toThrow(expect.objectContaining({ code: "USAGE", message: expect.stringMatching(/too large/) as string }) as Error);
    const many = session(Array.from({ length: 5001 }, () => ({ wait: 0 })));
    expect(() => parseSession(many)).toThrow(/steps/);
  });

  test("is refused when it is not JSON, or not strict", () => {
    expect(() => parseSession("{")).toThrow(/not JSON/);
    expect(() => parseSession(session([{ wait: 1 }], { speed: 2 }))).toThrow(/speed/);
    expect(() => parseSession(session([{ wait: 1 }], { pace: { keys_ms: 2 } }))).toThrow(/keys_ms/);
  });
});

describe("a chord", () => {
  test.each([
    ["enter", [], "enter"],
    ["ctrl-s", ["ctrl"], "s"],
    ["ctrl-alt-t", ["ctrl", "alt"], "t"],
    ["alt-f4", ["alt"], "f4"],
    ["super-e", ["super"], "e"],
    ["super", [], "super"],
    ["ctrl--", ["ctrl"], "-"],
    ["-", [], "-"],
  ])("%s", (text, modifiers, key) => {
    expect(parseChord(text)).toEqual({ modifiers: modifiers.map(keyForName), key: keyForName(key) });
  });

  test("adds shift where the character needs it", () => {
    expect(parseChord("ctrl-+").modifiers).toEqual([keyForName("ctrl"), keyForName("shift")]);
  });

  test.each(["", "ctrl-", "t-ctrl", "ctrl-ctrl-a", "x-y"])("refuses %j", (text) => {
    expect(() => parseChord(text)).toThrow(expect.objectContaining({ code: "USAGE" }) as Error);
  });
});

describe("shipped sessions", () => {
  const folder = join(import.meta.dirname, "../../demo/sessions");
  test.each(readdirSync(folder))("%s is valid, named for its file and not too long", (file) => {
    const parsed = parseSession(readFileSync(join(folder, file), "utf8"));
    expect(`${parsed.name}.json`).toBe(file);
    // One is long on purpose.
    expect(estimateSession(parsed)).toBeLessThan(file === "slow.json" ? 30 * 60_000 : 70_000);
  });
});
