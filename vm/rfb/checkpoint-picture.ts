import { gridColumns, gridRows, type CheckpointState } from "../../protocol/input-log.ts";
import type { Picture } from "./shrink.ts";

/** A checkpoint as a grey picture with one pixel for each cell. */
export function checkpointPicture({ width, height, grid }: CheckpointState): Picture {
  const pixels = Buffer.alloc(grid.length * 4);
  for (const [cell, luma] of grid.entries()) pixels.fill(luma, cell * 4, cell * 4 + 3);
  return { pixels, width: gridColumns(width), height: gridRows(height) };
}
