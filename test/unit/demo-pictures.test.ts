import { describe, expect, it } from "vitest";
import { sideBySide, visibleDifference, type Picture } from "../../demo/pictures.ts";

function solid(width: number, height: number, red: number): Picture {
  const pixels = Buffer.alloc(width * height * 4);
  for (let i = 0; i < pixels.length; i += 4) pixels.set([red, 10, 20, 0], i);
  return { width, height, pixels };
}

function pixel({ width, pixels }: Picture, x: number, y: number): number[] {
  const at = (y * width + x) * 4;
  return [...pixels.subarray(at, at + 3)];
}

describe("sideBySide", () => {
  it("puts two pictures of different size next to each other on white", () => {
    const both = sideBySide(solid(3, 2, 100), solid(2, 4, 200));
    expect([both.width, both.height]).toEqual([3 + 8 + 2, 4]);
    expect(pixel(both, 2, 1)).toEqual([100, 10, 20]);
    expect(pixel(both, 2, 2)).toEqual([255, 255, 255]);
    expect(pixel(both, 5, 0)).toEqual([255, 255, 255]);
    expect(pixel(both, 11, 3)).toEqual([200, 10, 20]);
  });
});

describe("visibleDifference", () => {
  it("is 0 for the same, whatever the unused byte holds, and for what nobody sees", () => {
    const a = solid(4, 4, 100);
    const b = solid(4, 4, 104);
    b.pixels[3] = 99;
    expect(visibleDifference(a, a)).toBe(0);
    expect(visibleDifference(a, b)).toBe(0);
  });

  it("is the share of pixels that differ", () => {
    const a = solid(4, 4, 100);
    const b = solid(4, 4, 100);
    b.pixels[0] = 200;
    b.pixels[6] = 200;
    expect(visibleDifference(a, b)).toBe(2 / 16);
  });

  it("is everything when the sizes differ", () => {
    expect(visibleDifference(solid(4, 4, 1), solid(4, 5, 1))).toBe(1);
  });
});
