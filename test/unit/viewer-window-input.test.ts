import { beforeEach, describe, expect, it } from "vitest";
import { heardFrom } from "../../viewer/capture/heard.ts";
import { WindowInput, type WindowView } from "../../viewer/capture/window-input.ts";
import type { WindowInputEvent } from "../../viewer/messages.ts";

const SCREEN = { width: 200, height: 100 };
const VIEW: WindowView = { focused: true, elsewhere: false, origin: { x: 50, y: 60 }, size: SCREEN, mask: 0 };
const ELSEWHERE: WindowView = { ...VIEW, focused: false };
/** X keycode -> keysyms: A, left Shift, AltGr, Q. */
const KEYBOARD = new Map([
  [38, [0x61, 0x41]],
  [50, [0xffe1]],
  [108, [0xfe03]],
  [24, [0x71, 0x51, 0, 0, 0x40]],
]);
const [A, ALTGR, Q] = [0x1e, 0xb8, 0x10];

let input: WindowInput;
let events: WindowInputEvent[];

beforeEach(() => {
  events = [];
  input = new WindowInput({ scale: "none", top: 0 }, SCREEN, KEYBOARD, (event) => events.push(event));
});

function key(down: boolean, xt: number, view = VIEW, shift = false): void {
  input.input({ kind: "key", down, xt, shift }, view);
}
function button(down: boolean, x: number, y: number, view = VIEW, bit = 1): void {
  input.input({ kind: "button", down, button: bit, at: { x, y } }, view);
}
function move(x: number, y: number, view = VIEW): void {
  input.input({ kind: "move", at: { x, y } }, view);
}

describe("keys", () => {
  it("count while the window has the focus", () => {
    key(true, A);
    key(true, A);
    key(false, A);
    key(true, A, ELSEWHERE);
    key(false, A, ELSEWHERE);
    expect(events).toEqual([
      { type: "key", down: true, keysym: 0x61, keycode: A },
      { type: "key", down: true, keysym: 0x61, keycode: A },
      { type: "key", down: false, keysym: 0x61, keycode: A },
    ]);
  });

  it("mean what Shift at that time made of them, not what it is now", () => {
    key(true, A, { ...VIEW, mask: 0 }, true);
    key(false, A, VIEW, false);
    key(true, A, { ...VIEW, mask: 1 }, false);
    expect(events.map((event) => event.type === "key" && event.keysym)).toEqual([0x41, 0x41, 0x61]);
  });

  it("are found on the third level while AltGr is held", () => {
    key(true, ALTGR);
    key(true, Q);
    key(false, Q);
    key(false, ALTGR);
    key(true, Q);
    expect(events.map((event) => event.type === "key" && event.keysym)).toEqual([0xfe03, 0x40, 0x40, 0xfe03, 0x71]);
  });

  it("are released when the focus goes, and their later release is nothing", () => {
    key(true, A);
    button(true, 60, 70);
    input.releaseAll();
    key(false, A, ELSEWHERE);
    button(false, 60, 70, ELSEWHERE);
    expect(events.slice(2)).toEqual([
      { type: "key", down: false, keysym: 0x61, keycode: A },
      { type: "pointer", x: 10, y: 10, buttons: 0 },
    ]);
    expect(input.held).toEqual([]);
  });

  it("that nobody knows are left out", () => {
    key(true, 0);
    expect(events).toEqual([]);
  });
});

describe("the pointer", () => {
  it("counts in the picture, in the guest's pixels", () => {
    move(50, 60);
    move(249, 159);
    move(250, 160);
    move(49, 60);
    button(true, 20, 20);
    button(false, 20, 20);
    expect(events).toEqual([
      { type: "pointer", x: 0, y: 0, buttons: 0 },
      { type: "pointer", x: 199, y: 99, buttons: 0 },
    ]);
  });

  it("does not count without the focus or over another window", () => {
    move(60, 70, ELSEWHERE);
    button(true, 60, 70, ELSEWHERE);
    button(true, 60, 70, { ...VIEW, elsewhere: true });
    input.input({ kind: "wheel", button: 8, at: { x: 60, y: 70 } }, { ...VIEW, elsewhere: true });
    expect(events).toEqual([]);
  });

  it("drags out of the window, along its edge", () => {
    button(true, 60, 70);
    move(1000, 0);
    button(true, 1000, 0, VIEW, 4);
    button(false, 1000, 0, ELSEWHERE);
    button(false, 1000, 0, ELSEWHERE, 4);
    move(1000, 0);
    expect(events.map((event) => event.type === "pointer" && [event.x, event.y, event.buttons])).toEqual([
      [10, 10, 1],
      [199, 0, 1],
      [199, 0, 5],
      [199, 0, 4],
      [199, 0, 0],
    ]);
  });

  it("turns the wheel by a press and a release, buttons as they are", () => {
    button(true, 60, 70);
    input.input({ kind: "wheel", button: 16, at: { x: 60, y: 70 } }, VIEW);
    expect(events.map((event) => event.type === "pointer" && event.buttons)).toEqual([1, 17, 1]);
  });

  it("follows the window and the guest's screen mode", () => {
    const view = { ...VIEW, origin: { x: 0, y: 0 }, size: { width: 400, height: 300 } };
    button(true, 100, 100, view);
    button(false, 100, 100, view);
    input.setScreen({ width: 400, height: 300 });
    button(true, 100, 100, view);
    expect(events.map((event) => event.type === "pointer" && [event.x, event.y])).toEqual([[0, 0], [0, 0], [100, 100]]);
  });
});

describe("what libuiohook tells", () => {
  const common = { shiftKey: false, x: 5, y: 6 };

  it("is keys, buttons, motion and the wheel", () => {
    const at = { x: 105, y: 6 };
    const offset = { x: 100, y: 0 };
    expect(heardFrom({ type: 4, shiftKey: true, keycode: 0x1e }, offset)).toEqual({ kind: "key", down: true, xt: A, shift: true });
    expect(heardFrom({ type: 5, shiftKey: false, keycode: 0 }, offset)).toEqual({ kind: "unnamed", down: false, shift: false });
    expect(heardFrom({ ...common, type: 7, button: 2 }, offset)).toEqual({ kind: "button", down: true, button: 4, at });
    expect(heardFrom({ ...common, type: 8, button: 3 }, offset)).toEqual({ kind: "button", down: false, button: 2, at });
    expect(heardFrom({ ...common, type: 9 }, offset)).toEqual({ kind: "move", at });
    expect(heardFrom({ ...common, type: 11, direction: 3, rotation: -1 }, offset)).toEqual({ kind: "wheel", button: 8, at });
    expect(heardFrom({ ...common, type: 11, direction: 4, rotation: 1 }, offset)).toEqual({ kind: "wheel", button: 64, at });
  });

  it("is nothing for clicks, which follow from the buttons, and for buttons that VNC does not have", () => {
    expect(heardFrom({ ...common, type: 6, button: 1 }, { x: 0, y: 0 })).toBeNull();
    expect(heardFrom({ ...common, type: 7, button: 5 }, { x: 0, y: 0 })).toBeNull();
  });
});
