import { writeFile } from "node:fs/promises";
import type { RfbClient } from "../vm/rfb/rfb-client.ts";
import { encodePng } from "../vm/rfb/png.ts";

/** A guest's screen at one moment. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** RGBX, 4 bytes a pixel, row by row. */
  readonly pixels: Buffer;
}

const BYTES_PER_PIXEL = 4;
/** Between two pictures put side by side. */
const GAP_PIXELS = 8;
/** Differences up to this, of 255, in each colour are not visible. */
const COLOUR_TOLERANCE = 8;

export function pictureOf({ frame }: RfbClient): Picture {
  return { width: frame.width, height: frame.height, pixels: Buffer.from(frame.pixels) };
}

/** Two pictures next to each other, top aligned, on white. */
export function sideBySide(left: Picture, right: Picture): Picture {
  const width = left.width + GAP_PIXELS + right.width;
  const height = Math.max(left.height, right.height);
  const pixels = Buffer.alloc(width * height * BYTES_PER_PIXEL, 0xff);
  const paste = (picture: Picture, x: number): void => {
    const rowBytes = picture.width * BYTES_PER_PIXEL;
    for (let y = 0; y < picture.height; y++)
      picture.pixels.copy(pixels, (y * width + x) * BYTES_PER_PIXEL, y * rowBytes, (y + 1) * rowBytes);
  };
  paste(left, 0);
  paste(right, left.width + GAP_PIXELS);
  return { width, height, pixels };
}

/** Share of pixels, 0 to 1, that visibly differ; 1 when the sizes do. */
export function visibleDifference(a: Picture, b: Picture): number {
  if (a.width !== b.width || a.height !== b.height) return 1;
  const total = a.width * a.height;
  if (a.pixels.equals(b.pixels) || total === 0) return 0;
  let different = 0;
  for (let i = 0; i < total * BYTES_PER_PIXEL; i += BYTES_PER_PIXEL) {
    const differs = [0, 1, 2].some(
      (colour) => Math.abs((a.pixels[i + colour] ?? 0) - (b.pixels[i + colour] ?? 0)) > COLOUR_TOLERANCE,
    );
    if (differs) different++;
  }
  return different / total;
}

export async function savePicture(picture: Picture, path: string): Promise<void> {
  await writeFile(path, await encodePng(picture.pixels, picture.width, picture.height));
}
