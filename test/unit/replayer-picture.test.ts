import { describe, expect, test } from "vitest";
import { compare, differingCells, Mask, nothingExcused, telling, type Picture } from "../../replayer/picture.ts";

/** 40 x 25 cells: 10 % are 100. */
function picture(changes: Readonly<Record<number, number>> = {}): Picture {
  const grid = new Uint8Array(1000).fill(100);
  for (const [cell, luma] of Object.entries(changes)) grid[Number(cell)] = luma;
  return { width: 640, height: 400, grid };
}

function cells(from: number, count: number, luma = 200): Record<number, number> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [from + i, luma]));
}

describe("two pictures", () => {
  test("match when the same, and with a little noise everywhere", () => {
    expect(compare(picture(), picture(), nothingExcused).matches).toBe(true);
    expect(compare(picture(), picture(cells(0, 1000, 106)), nothingExcused).matches).toBe(true);
    expect(compare(picture(), picture(cells(0, 1000, 107)), nothingExcused).matches).toBe(false);
  });

  test("match in spite of a text cursor, but not of a word", () => {
    expect(compare(picture(), picture(cells(77, 2)), nothingExcused).matches).toBe(true);
    expect(compare(picture(), picture(cells(77, 3)), nothingExcused)).toEqual({ matches: false, differing: 3 });
  });

  test("of different size differ everywhere and in no cell that could be named", () => {
    const other: Picture = { width: 400, height: 640, grid: new Uint8Array(1000).fill(100) };
    expect(compare(picture(), other, nothingExcused)).toEqual({ matches: false, differing: 1000 });
    expect(differingCells(picture(), other, nothingExcused)).toEqual([]);
  });

  test("differences in masked and volatile cells are overlooked", () => {
    const excused = { masked: new Set([1, 2, 3, 4]), volatile: new Set([5, 6, 7, 8]) };
    const seen = picture({ ...cells(1, 8), ...cells(100, 1) });
    expect(compare(picture(), seen, excused)).toEqual({ matches: true, differing: 1 });
    expect(differingCells(picture(), seen, excused)).toEqual([100]);
  });

  test("but masked ones never in more than a tenth of the picture", () => {
    const most = new Set(Array.from({ length: 900 }, (_, i) => i));
    const excused = { masked: most, volatile: new Set<number>() };
    expect(compare(picture(), picture(cells(0, 100)), excused).matches).toBe(true);
    expect(compare(picture(), picture(cells(0, 110)), excused)).toEqual({ matches: false, differing: 10 });
  });

  test("are overlooked in all volatile cells of a restless picture, and nowhere else", () => {
    const moving = (count: number): Set<number> => new Set(Array.from({ length: count }, (_, i) => i));
    const excused = { masked: new Set<number>(), volatile: moving(500) };
    expect(compare(picture(), picture(cells(0, 500)), excused)).toEqual({ matches: true, differing: 0 });
    expect(compare(picture(), picture(cells(0, 503)), excused)).toEqual({ matches: false, differing: 3 });
    expect(telling(picture(), moving(100))).toBe("still");
    expect(telling(picture(), moving(101))).toBe("restless");
    expect(telling(picture(), moving(900))).toBe("restless");
    expect(telling(picture(), moving(901))).toBe("nothing");
  });
});

describe("the mask", () => {
  const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

  test("takes what stays different, up to a tenth of the picture in all", () => {
    const mask = new Mask();
    expect(mask.add(range(0, 60), new Set(), 1000)).toBe(true);
    expect(mask.add(range(50, 50), new Set(), 1000)).toBe(true);
    expect(mask.cells.size).toBe(100);
    expect(mask.add([500], new Set(), 1000)).toBe(false);
    expect(mask.cells.size).toBe(100);
  });

  test("counts the cells that change by themselves", () => {
    const mask = new Mask();
    expect(mask.add(range(0, 60), new Set(range(200, 41)), 1000)).toBe(false);
    expect(mask.add(range(0, 60), new Set(range(200, 40)), 1000)).toBe(true);
  });

  test("does not take part of a difference that is too large", () => {
    const mask = new Mask();
    mask.add(range(0, 500), new Set(), 1000);
    expect(mask.cells.size).toBe(0);
  });
});
