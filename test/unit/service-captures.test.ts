import { describe, expect, it } from "vitest";
import { HomewardError } from "../../common/errors.ts";
import { CapturedInput } from "../../recorder/captured-input.ts";
import { Captures } from "../../service/workspaces/captures.ts";
import type { Workspace } from "../../service/workspaces/workspace.ts";

/** The part of a workspace that is used, and what was told to its recorder. */
function workspace(): { it: Workspace; told: unknown[]; end: (error: HomewardError) => void } {
  const told: unknown[] = [];
  let current: CapturedInput | undefined;
  const running = {
    recording: true,
    screenSize: { width: 720, height: 400 },
    capture: (onEnded: (error: HomewardError) => void) => {
      if (current !== undefined) throw new HomewardError("CONFLICT", "another");
      current = new CapturedInput({
        tap: { key: (...key) => told.push(key), pointer: (...pointer) => told.push(pointer) },
        pauseKey: null,
        onEnded,
        onClosed: () => {
          current = undefined;
        },
      });
      return current;
    },
  };
  return { it: { name: "work", running } as unknown as Workspace, told, end: (error) => current?.end(error) };
}

const KEY = { type: "key", down: true, keysym: 0x61, keycode: 0x1e } as const;

describe("what a client captures", () => {
  it("is told until it stops, and then what is held is released", async () => {
    const captures = new Captures();
    const { it: work, told } = workspace();
    const stop = new AbortController();
    const over = captures.hold(work, stop.signal);
    expect(captures.take(work, [KEY, { type: "pointer", x: 1, y: 2, buttons: 1 }])).toEqual({
      screen: { width: 720, height: 400 },
      recording: true,
    });
    stop.abort();
    expect(await over).toEqual({ events: 2 });
    expect(told).toEqual([
      [true, 0x61, 0x1e],
      [1, 2, 1],
      [false, 0x61, 0x1e],
      [1, 2, 0],
    ]);
    expect(() => captures.take(work, [])).toThrow(expect.objectContaining({ code: "CONFLICT" }));
    // And another one may begin.
    const again = new AbortController();
    again.abort();
    expect(await captures.hold(work, again.signal)).toEqual({ events: 0 });
  });

  it("fails with why it is over, and does not begin twice or on a machine that does not run", async () => {
    const captures = new Captures();
    const { it: work, end } = workspace();
    const over = captures.hold(work, new AbortController().signal);
    await expect(captures.hold(work, new AbortController().signal)).rejects.toMatchObject({ code: "CONFLICT" });
    expect(captures.take(work, [KEY]).recording).toBe(true);
    end(new HomewardError("CONFLICT", "a viewer was connected"));
    await expect(over).rejects.toMatchObject({ message: "a viewer was connected" });
    const off = { name: "off", running: null } as unknown as Workspace;
    await expect(captures.hold(off, new AbortController().signal)).rejects.toMatchObject({ code: "CONFLICT" });
  });
});
