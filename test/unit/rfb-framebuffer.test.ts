import { PNG } from "pngjs";
import { describe, expect, it } from "vitest";
import { Framebuffer } from "../../vm/rfb/framebuffer.ts";

function fill(frame: Framebuffer, x: number, y: number, width: number, height: number, pixel: number[]): void {
  const row = Buffer.alloc(width * 4, Buffer.from(pixel));
  for (let i = 0; i < height; i++) frame.putRow(x, y + i, row);
  frame.touch({ x, y, width, height });
}

/** Straight from the definition, over all pixels. */
function expectedGrid(frame: Framebuffer): number[] {
  const grid: number[] = [];
  for (let top = 0; top < frame.height; top += 16)
    for (let left = 0; left < frame.width; left += 16) {
      let sum = 0;
      let count = 0;
      for (let y = top; y < Math.min(top + 16, frame.height); y++)
        for (let x = left; x < Math.min(left + 16, frame.width); x++) {
          const at = (y * frame.width + x) * 4;
          const [r = 0, g = 0, b = 0] = frame.pixels.subarray(at, at + 3);
          sum += 77 * r + 150 * g + 29 * b;
          count++;
        }
      grid.push(Math.floor(sum / (256 * count)));
    }
  return grid;
}

describe("Framebuffer", () => {
  it("averages luma in cells, also cut-off ones", () => {
    const frame = new Framebuffer(40, 20);
    fill(frame, 0, 0, 40, 20, [255, 255, 255, 0]);
    expect([...frame.lumaGrid()]).toEqual([255, 255, 255, 255, 255, 255]);
    fill(frame, 0, 0, 8, 16, [0, 0, 0, 255]);
    expect([...frame.lumaGrid()]).toEqual([127, 255, 255, 255, 255, 255]);
    fill(frame, 39, 19, 1, 1, [255, 0, 0, 0]);
    expect([...frame.lumaGrid()]).toEqual(expectedGrid(frame));
  });

  it("recomputes exactly what was touched, for random rectangles", () => {
    const frame = new Framebuffer(131, 77);
    let seed = 1;
    const random = (limit: number): number => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      return (seed >> 8) % limit;
    };
    for (let i = 0; i < 60; i++) {
      const x = random(131);
      const y = random(77);
      fill(frame, x, y, 1 + random(131 - x), 1 + random(77 - y), [random(256), random(256), random(256), random(256)]);
      expect([...frame.lumaGrid()]).toEqual(expectedGrid(frame));
    }
  });

  it("gives a copy of the grid", () => {
    const frame = new Framebuffer(16, 16);
    const grid = frame.lumaGrid();
    grid[0] = 99;
    expect(frame.lumaGrid()[0]).toBe(0);
  });

  it.each([
    [0, 0, 5, 3],
    [5, 3, 0, 0],
    [2, 0, 0, 0],
    [0, 0, 2, 0],
  ])("copies overlapping rectangles from %i,%i to %i,%i", (fromX, fromY, x, y) => {
    const frame = new Framebuffer(20, 10);
    frame.pixels.forEach((_, i) => (frame.pixels[i] = i & 255));
    const before = Buffer.from(frame.pixels);
    frame.copyRect({ x: fromX, y: fromY }, { x, y, width: 12, height: 6 });
    for (let row = 0; row < 6; row++) {
      const from = ((fromY + row) * 20 + fromX) * 4;
      const to = ((y + row) * 20 + x) * 4;
      expect(frame.pixels.subarray(to, to + 48)).toEqual(before.subarray(from, from + 48));
    }
  });

  it("refuses screens beyond any size and rectangles outside", () => {
    const frame = new Framebuffer(20, 10);
    expect(() => {
      frame.resize(65535, 65535);
    }).toThrow(expect.objectContaining({ code: "GUEST" }) as Error);
    expect(() => {
      frame.checkInside({ x: 10, y: 0, width: 11, height: 1 });
    }).toThrow(expect.objectContaining({ code: "GUEST" }) as Error);
  });

  it("writes a PNG", async () => {
    const frame = new Framebuffer(5, 3);
    fill(frame, 0, 0, 5, 3, [10, 20, 30, 0]);
    fill(frame, 4, 2, 1, 1, [200, 100, 50, 0]);
    const png = PNG.sync.read(await frame.toPng());
    expect([png.width, png.height]).toEqual([5, 3]);
    expect([...png.data.subarray(0, 4)]).toEqual([10, 20, 30, 255]);
    expect([...png.data.subarray(56, 60)]).toEqual([200, 100, 50, 255]);
  });
});
