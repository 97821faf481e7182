import { HomewardError } from "../../common/errors.ts";
import { CELL_PIXELS as CELL } from "../../protocol/input-log.ts";
import { encodePng } from "./png.ts";

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const BYTES_PER_PIXEL = 4;
const MAX_SIDE = 8192;
/** 8K UHD. A server that announces more is refused before anything is allocated. */
const MAX_PIXELS = 7680 * 4320;

/** A copy of the guest's screen: 4 bytes a pixel, red, green, blue, unused. */
export class Framebuffer {
  #width = 0;
  #height = 0;
  #pixels: Buffer = Buffer.alloc(0);
  #words = new Uint32Array(0);
  #grid = new Uint8Array(0);
  #dirty = new Uint8Array(0);
  #columns = 0;
  #rows = 0;

  constructor(width = 0, height = 0) {
    this.resize(width, height);
  }

  /** Pixels. */
  get width(): number {
    return this.#width;
  }

  get height(): number {
    return this.#height;
  }

  /** RGBX, row by row without padding. Replaced by another buffer when the screen changes its size. */
  get pixels(): Buffer {
    return this.#pixels;
  }

  /** Changes the size and turns the picture black. @throws GUEST if it is larger than any real screen */
  resize(width: number, height: number): void {
    if (width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS)
      throw new HomewardError("GUEST", `the screen claims to be ${width}x${height} pixels`);
    const memory = new ArrayBuffer(width * height * BYTES_PER_PIXEL);
    this.#width = width;
    this.#height = height;
    this.#pixels = Buffer.from(memory);
    this.#words = new Uint32Array(memory);
    this.#columns = Math.ceil(width / CELL);
    this.#rows = Math.ceil(height / CELL);
    this.#grid = new Uint8Array(this.#columns * this.#rows);
    this.#dirty = new Uint8Array(this.#columns * this.#rows).fill(1);
  }

  /** @throws GUEST if the rectangle is not inside the screen */
  checkInside(rect: Rect): void {
    if (rect.x + rect.width > this.#width || rect.y + rect.height > this.#height)
      throw new HomewardError("GUEST", "a screen update lies outside the screen", {
        data: { rect, width: this.#width, height: this.#height },
      });
  }

  /** Overwrites `data.length / 4` pixels to the right of (x, y). The caller has checked the rectangle. */
  putRow(x: number, y: number, data: Buffer): void {
    this.#pixels.set(data, (y * this.#width + x) * BYTES_PER_PIXEL);
  }

  /** RFC 6143 7.7.2: moves a rectangle that may overlap its new place. */
  copyRect(from: { readonly x: number; readonly y: number }, to: Rect): void {
    this.checkInside({ ...to, x: from.x, y: from.y });
    const stride = this.#width * BYTES_PER_PIXEL;
    const bytes = to.width * BYTES_PER_PIXEL;
    const downwards = from.y >= to.y;
    for (let i = 0; i < to.height; i++) {
      const row = downwards ? i : to.height - 1 - i;
      const source = (from.y + row) * stride + from.x * BYTES_PER_PIXEL;
      this.#pixels.copyWithin((to.y + row) * stride + to.x * BYTES_PER_PIXEL, source, source + bytes);
    }
  }

  /** Notes that the pixels of a rectangle were written, so that their luma is computed anew when asked for. */
  touch(rect: Rect): void {
    if (rect.width === 0 || rect.height === 0) return;
    const left = Math.floor(rect.x / CELL);
    const right = Math.floor((rect.x + rect.width - 1) / CELL);
    const bottom = Math.floor((rect.y + rect.height - 1) / CELL);
    for (let row = Math.floor(rect.y / CELL); row <= bottom; row++)
      this.#dirty.fill(1, row * this.#columns + left, row * this.#columns + right + 1);
  }

  /**
   * Mean luma (0 to 255) of every 16x16-pixel cell, row by row; cells at the right and bottom edge average the pixels
   * they have. Only cells touched since the last call are computed. The result is a copy.
   */
  lumaGrid(): Uint8Array {
    for (let cell = this.#dirty.indexOf(1); cell !== -1; cell = this.#dirty.indexOf(1, cell + 1)) {
      this.#dirty[cell] = 0;
      this.#grid[cell] = this.#meanLuma(cell);
    }
    return this.#grid.slice();
  }

  /** Rec. 601 weights in 1/256 (77, 150, 29), all integer, so that every host computes the same number. */
  #meanLuma(cell: number): number {
    const row = Math.floor(cell / this.#columns);
    const left = (cell - row * this.#columns) * CELL;
    const top = row * CELL;
    const right = Math.min(left + CELL, this.#width);
    const bottom = Math.min(top + CELL, this.#height);
    const words = this.#words;
    let sum = 0;
    for (let y = top; y < bottom; y++) {
      const end = y * this.#width + right;
      for (let i = y * this.#width + left; i < end; i++) {
        const pixel = words[i] ?? 0;
        sum += 77 * (pixel & 255) + 150 * ((pixel >>> 8) & 255) + 29 * ((pixel >>> 16) & 255);
      }
    }
    return Math.floor(sum / (256 * (right - left) * (bottom - top)));
  }

  /** The picture as a PNG file; compression happens off the event loop. */
  toPng(): Promise<Buffer> {
    return encodePng(this.#pixels, this.#width, this.#height);
  }
}
