export interface Picture {
  /** RGBX, 4 bytes a pixel, row by row. */
  readonly pixels: Buffer;
  readonly width: number;
  readonly height: number;
}

/** Pixels that are averaged for each one of the small picture, along each side: enough for text to become grey, and quick. */
const SAMPLES = 4;

/** The picture at most `width` pixels wide, with its proportions; each pixel is the mean of evenly spread ones. */
export function shrink({ pixels, width: fullWidth, height: fullHeight }: Picture, maxWidth: number): Picture {
  const width = Math.max(1, Math.min(maxWidth, fullWidth));
  const height = Math.max(1, Math.min(fullHeight, Math.round((fullHeight * width) / Math.max(1, fullWidth))));
  const columns = sampledPlaces(width, fullWidth).map((x) => x * 4);
  const rows = sampledPlaces(height, fullHeight).map((y) => y * fullWidth * 4);
  const small = Buffer.alloc(width * height * 4);
  for (let y = 0, to = 0; y < height; y++)
    for (let x = 0; x < width; x++, to += 4) {
      let [red, green, blue] = [0, 0, 0];
      for (let row = 0; row < SAMPLES; row++)
        for (let column = 0; column < SAMPLES; column++) {
          const at = (rows[y * SAMPLES + row] ?? 0) + (columns[x * SAMPLES + column] ?? 0);
          red += pixels[at] ?? 0;
          green += pixels[at + 1] ?? 0;
          blue += pixels[at + 2] ?? 0;
        }
      const count = SAMPLES * SAMPLES;
      small[to] = red / count;
      small[to + 1] = green / count;
      small[to + 2] = blue / count;
    }
  return { pixels: small, width, height };
}

/** For each of `small` pixels along a side the places in the full picture that are looked at. */
function sampledPlaces(small: number, full: number): number[] {
  return Array.from({ length: small * SAMPLES }, (_, i) => Math.min(full - 1, Math.floor(((i + 0.5) * full) / (small * SAMPLES))));
}
