import { describe, expect, it } from "vitest";
import { ActionGate } from "../../recorder/action-gate.ts";

const A = 0x61;
const ENTER = 0xff0d;
const TAB = 0xff09;
const CTRL = 0xffe3;
const SHIFT = 0xffe1;

/** A gate that has seen input at time 0. */
function busy(): ActionGate {
  const gate = new ActionGate();
  expect(gate.pointer(0, 0)).toBe("always");
  return gate;
}

describe("ActionGate", () => {
  it("wants a checkpoint after 250 ms without input, whatever comes", () => {
    const gate = busy();
    expect(gate.key(249, true, A)).toBe("none");
    expect(gate.key(499, false, A)).toBe("always");
    expect(gate.pointer(748, 0)).toBe("none");
    expect(gate.pointer(998, 0)).toBe("always");
  });

  it("wants one before a button goes down, not for motion, release or wheel", () => {
    const gate = busy();
    expect(gate.pointer(10, 1)).toBe("if-changed");
    expect(gate.pointer(20, 1)).toBe("none");
    expect(gate.pointer(30, 5)).toBe("if-changed");
    expect(gate.pointer(40, 0)).toBe("none");
    expect(gate.pointer(50, 8)).toBe("none");
    expect(gate.pointer(60, 8 | 4)).toBe("if-changed");
  });

  it("wants one before Enter, Escape and Tab, but not for each repetition", () => {
    for (const key of [ENTER, 0xff8d, 0xff1b, TAB]) {
      const gate = busy();
      expect(gate.key(10, true, key)).toBe("if-changed");
      expect(gate.key(20, true, key)).toBe("none");
      expect(gate.key(30, false, key)).toBe("none");
      expect(gate.key(40, true, key)).toBe("if-changed");
    }
  });

  it("wants none before a key begins to repeat, but one when it comes again", () => {
    const gate = busy();
    expect(gate.key(10, true, A)).toBe("none");
    expect(gate.key(510, true, A)).toBe("none");
    expect(gate.key(543, true, A)).toBe("none");
    expect(gate.key(560, false, A)).toBe("none");
    expect(gate.key(860, true, A)).toBe("always");
  });

  it("wants one before a chord", () => {
    const gate = busy();
    expect(gate.key(10, true, CTRL)).toBe("none");
    expect(gate.key(20, true, SHIFT)).toBe("none");
    expect(gate.key(30, true, A)).toBe("if-changed");
    expect(gate.key(40, false, A)).toBe("none");
    expect(gate.key(50, false, CTRL)).toBe("none");
    expect(gate.key(60, true, A)).toBe("none");
  });
});
