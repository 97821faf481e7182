import { describe, expect, it } from "vitest";
import { PauseKey } from "../../recorder/pause-key.ts";
import { keyForName } from "../../vm/rfb/keymap.ts";

const [CTRL, ALT, SHIFT, F12] = ["ctrl", "alt", "shift", "f12"].map((name) => keyForName(name).keysym) as [number, number, number, number];
/** What X makes of F12 with Ctrl and Alt. */
const SWITCH_VT_12 = 0x1008fe0c;

describe("PauseKey", () => {
  function pressed(...keys: readonly number[]): { swallowed: number[]; times: number } {
    let times = 0;
    const key = new PauseKey(() => times++);
    const swallowed: number[] = [];
    for (const keysym of keys) if (key.swallows(keysym > 0, Math.abs(keysym))) swallowed.push(keysym);
    return { swallowed, times };
  }

  it("is Ctrl+Alt+Shift+F12, in any order and once however long it is held", () => {
    expect(pressed(CTRL, ALT, SHIFT, F12, F12, F12, -F12, -SHIFT)).toEqual({ swallowed: [F12, F12, F12, -F12], times: 1 });
    expect(pressed(SHIFT, CTRL, ALT, SWITCH_VT_12, -SWITCH_VT_12)).toEqual({ swallowed: [SWITCH_VT_12, -SWITCH_VT_12], times: 1 });
    expect(pressed(CTRL, ALT, SHIFT, F12, -SHIFT, -ALT, -CTRL, -F12).swallowed).toEqual([F12, -F12]);
    expect(pressed(CTRL, ALT, SHIFT, F12, -F12, F12, -F12).times).toBe(2);
  });

  it("leaves every other key to the guest", () => {
    expect(pressed(F12, -F12, CTRL, ALT, F12, -F12, -ALT, SHIFT, F12, -F12)).toEqual({ swallowed: [], times: 0 });
    expect(pressed(CTRL, ALT, SHIFT, -CTRL, F12, -F12).times).toBe(0);
    expect(pressed(CTRL, ALT, SHIFT, F12 - 1, 0x70)).toEqual({ swallowed: [], times: 0 });
  });
});
