import { describe, expect, it } from "vitest";
import { isInside, placePicture, toGuest, toWindow } from "../../viewer/picture.ts";

const SCREEN = { width: 800, height: 600 };

function placed(window: { width: number; height: number }, scale: "fit" | "none", top = 0): ReturnType<typeof placePicture> {
  return placePicture(window, SCREEN, { scale, top });
}

describe("the guest's picture in a window", () => {
  it("fills a window of its own size", () => {
    expect(placed(SCREEN, "fit")).toEqual({ x: 0, y: 0, ...SCREEN });
    expect(placed(SCREEN, "none")).toEqual({ x: 0, y: 0, ...SCREEN });
  });

  it("lies in the middle, below the bars", () => {
    expect(placed({ width: 1000, height: 740 }, "none", 40)).toEqual({ x: 100, y: 90, ...SCREEN });
    expect(placed({ width: 1700, height: 1240 }, "fit", 40)).toEqual({ x: 50, y: 40, width: 1600, height: 1200 });
    expect(placed({ width: 400, height: 1000 }, "fit")).toEqual({ x: 0, y: 350, width: 400, height: 300 });
  });

  it("is nowhere known when it is cut off, or there is no window or screen", () => {
    expect(placed({ width: 799, height: 600 }, "none")).toBeNull();
    expect(placed({ width: 800, height: 30 }, "fit", 40)).toBeNull();
    expect(placePicture(SCREEN, { width: 0, height: 0 }, { scale: "fit", top: 0 })).toBeNull();
  });
});

describe("a point of the window", () => {
  it.each([
    ["of the same size", { width: 800, height: 600 }],
    ["twice as large", { width: 1600, height: 1200 }],
    ["oddly scaled", { width: 1333, height: 1100 }],
  ])("comes back to its guest's pixel in a window %s", (_what, window) => {
    const picture = placed(window, "fit");
    if (picture === null) throw new Error("no picture");
    for (const at of [{ x: 0, y: 0 }, { x: 799, y: 599 }, { x: 400, y: 1 }, { x: 13, y: 577 }]) {
      const point = toWindow(picture, SCREEN, at);
      expect(isInside(picture, point)).toBe(true);
      expect(toGuest(picture, SCREEN, point)).toEqual(at);
    }
  });

  it("outside of the picture is not inside, and nearest to its edge", () => {
    const picture = { x: 10, y: 20, width: 800, height: 600 };
    expect(isInside(picture, { x: 9, y: 20 })).toBe(false);
    expect(isInside(picture, { x: 809, y: 619 })).toBe(true);
    expect(isInside(picture, { x: 810, y: 619 })).toBe(false);
    expect(toGuest(picture, SCREEN, { x: -500, y: 9999 })).toEqual({ x: 0, y: 599 });
  });
});
