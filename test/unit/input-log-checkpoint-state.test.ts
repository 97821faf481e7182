import { describe, expect, it } from "vitest";
import { CheckpointState, gridColumns, gridRows } from "../../protocol/input-log.ts";
import { checkpoint } from "./input-log-events.ts";

const whole = Array.from({ length: 12 }, (_, i): [number, number] => [i, i * 10]);

describe("CheckpointState", () => {
  it("adds up successive checkpoints", () => {
    const state = new CheckpointState();
    state.apply(checkpoint(whole, [3]));
    expect([state.width, state.height]).toEqual([64, 48]);
    expect([...state.grid]).toEqual(whole.map(([, luma]) => luma));
    expect([...state.volatile]).toEqual([3]);
    state.apply(checkpoint([[5, 255]]));
    expect(state.grid[5]).toBe(255);
    expect(state.grid[4]).toBe(40);
    expect(state.volatile.size).toBe(0);
  });

  it("starts anew with another size, and wants it whole", () => {
    const state = new CheckpointState();
    state.apply(checkpoint(whole));
    expect(() => {
      state.apply(checkpoint([[0, 1]], [], 32, 16));
    }).toThrow(expect.objectContaining({ code: "DAMAGED" }) as Error);
    state.apply(checkpoint([[0, 1], [1, 2]], [], 32, 16));
    expect([...state.grid]).toEqual([1, 2]);
  });

  it("refuses cells outside the screen", () => {
    const state = new CheckpointState();
    state.apply(checkpoint(whole));
    expect(() => {
      state.apply(checkpoint([[12, 1]]));
    }).toThrow(expect.objectContaining({ code: "DAMAGED" }) as Error);
  });

  it("counts cut-off cells", () => {
    expect([gridColumns(1024), gridColumns(1025), gridRows(768), gridRows(1)]).toEqual([64, 65, 48, 1]);
  });
});
