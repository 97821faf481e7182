import { describe, expect, it } from "vitest";
import { CheckpointState } from "../../protocol/input-log.ts";
import { CellHistory } from "../../recorder/cell-history.ts";
import { CheckpointMaker, type ScreenView } from "../../recorder/checkpoint-maker.ts";

/** A history of four cells, told as [time, luma of cell 1]; cell 0 never changes. */
function cellAfter(changes: readonly (readonly [number, number] | "input")[]): CellHistory {
  const history = new CellHistory(Uint8Array.from([5, 0, 0, 0]));
  for (const change of changes)
    if (change === "input") history.noteInput();
    else history.update(Uint8Array.from([5, change[1], 0, 0]), change[0]);
  return history;
}

describe("CellHistory", () => {
  it("calls a cell unsettled for 150 ms after it changed", () => {
    const history = cellAfter([[1000, 9]]);
    expect(history.isUnsettled(1, 1149)).toBe(true);
    expect(history.isUnsettled(1, 1150)).toBe(false);
    expect(history.isUnsettled(0, 1000)).toBe(false);
    expect(history.isFlickering(1, 1000)).toBe(false);
  });

  it("finds a blinking cursor after one blink", () => {
    const history = cellAfter(["input", [100, 9], [630, 0]]);
    expect(history.isFlickering(1, 700)).toBe(true);
    expect(history.isFlickering(1, 630 + 2 * 530 - 1)).toBe(true);
    expect(history.isFlickering(1, 630 + 2 * 530)).toBe(false);
  });

  it("finds a clock after three changes", () => {
    expect(cellAfter([[0, 1], [1000, 2]]).isFlickering(1, 1000)).toBe(false);
    const history = cellAfter([[0, 1], [1000, 2], [2000, 3]]);
    expect(history.isFlickering(1, 3900)).toBe(true);
    history.update(Uint8Array.from([5, 4, 0, 0]), 6900);
    expect(history.isFlickering(1, 6900)).toBe(false);
  });

  it("does not take the echo of typing for flickering", () => {
    const history = cellAfter(["input", [100, 9], "input", [200, 0], "input", [300, 9], "input", [400, 0]]);
    expect(history.isFlickering(1, 400)).toBe(false);
  });

  it("keeps a known blinker while the user types elsewhere", () => {
    const history = cellAfter([[0, 9], [500, 0], [1000, 9], "input", [1500, 0]]);
    expect(history.isFlickering(1, 1500)).toBe(true);
  });

  it("trusts the output of a command again soon after the last line", () => {
    const history = cellAfter([[0, 1], [40, 2], [80, 3], [120, 4], [160, 5]]);
    expect(history.isFlickering(1, 160)).toBe(true);
    expect(history.isFlickering(1, 460)).toBe(false);
  });

  it("knows since when the picture stands still, but for what flickers", () => {
    const history = cellAfter([[100, 9], [630, 0]]);
    expect(history.lastChangeMs(700)).toBe(-Infinity);
    history.update(Uint8Array.from([6, 0, 0, 0]), 650);
    history.update(Uint8Array.from([6, 9, 0, 0]), 1100);
    expect(history.lastChangeMs(1200)).toBe(650);
    expect(history.lastChangeMs(9000)).toBe(1100);
  });

  it("ignores changes that are more than five seconds apart", () => {
    expect(cellAfter([[0, 9], [5001, 0], [10_002, 9]]).isFlickering(1, 10_002)).toBe(false);
  });
});

function view(grid: readonly number[], more: Partial<ScreenView> = {}): ScreenView {
  return { width: 320, height: 16, grid: Uint8Array.from(grid), flickering: [], unsettled: [], ageMs: 3.4, ...more };
}

const black = new Array<number>(20).fill(0);

describe("CheckpointMaker", () => {
  it("holds everything first, then what changed", () => {
    const maker = new CheckpointMaker();
    const state = new CheckpointState();
    expect(maker.differs(view(black))).toBe(true);
    const first = maker.take(view(black));
    expect(first.cells.size).toBe(20);
    expect(first.ageMs).toBe(3);
    state.apply(first);
    expect(maker.differs(view(black))).toBe(false);
    const second = maker.take(view([...black.slice(0, 19), 7]));
    expect([...second.cells]).toEqual([[19, 7]]);
    state.apply(second);
    expect(state.grid[19]).toBe(7);
    expect(maker.take(view(black, { width: 160, height: 32 })).cells.size).toBe(20);
  });

  it("does not see a difference in what flickers", () => {
    const maker = new CheckpointMaker();
    maker.take(view(black));
    expect(maker.differs(view([9, ...black.slice(1)], { flickering: [0] }))).toBe(false);
    expect(maker.differs(view([9, ...black.slice(1)], { unsettled: [0] }))).toBe(true);
  });

  it("lists what moves; of a window that opens only what flickers", () => {
    const take = (flickering: number[], unsettled: number[]): readonly number[] =>
      new CheckpointMaker().take(view(black, { flickering, unsettled })).volatile;
    expect(take([5], [2])).toEqual([2, 5]);
    expect(take([5, 6], [2])).toEqual([5, 6]);
    expect(take([], [1, 2, 3])).toEqual([]);
    expect(take([5, 6, 7], [2])).toEqual([2, 5, 6, 7]);
  });

  it("spends no bytes on what a video shows, but tells what it left", () => {
    const maker = new CheckpointMaker();
    const state = new CheckpointState();
    const video = black.map((_, cell) => cell).slice(5);
    state.apply(maker.take(view(black, { flickering: video })));
    for (let frame = 1; frame <= 3; frame++) {
      const grid = black.map((_, cell) => (cell < 5 ? 0 : 20 * frame + cell));
      grid[0] = frame;
      const checkpoint = maker.take(view(grid, { flickering: video }));
      expect([...checkpoint.cells]).toEqual([[0, frame]]);
      state.apply(checkpoint);
    }
    const after = black.map((_, cell) => (cell < 5 ? 3 : 77));
    const last = maker.take(view(after));
    expect(last.cells.size).toBe(19);
    state.apply(last);
    expect([...state.grid]).toEqual(after);
  });
});
