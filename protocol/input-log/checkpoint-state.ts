import { HomewardError } from "../../common/errors.ts";
import { CELL_PIXELS, type Checkpoint } from "./events.ts";

/** Cells in a row of a screen that is `width` pixels wide. */
export function gridColumns(width: number): number {
  return Math.ceil(width / CELL_PIXELS);
}

/** Rows of cells on a screen that is `height` pixels high. */
export function gridRows(height: number): number {
  return Math.ceil(height / CELL_PIXELS);
}

/** Rebuilds the whole grid from successive checkpoints, each of which holds only what changed. */
export class CheckpointState {
  #width = 0;
  #height = 0;
  #grid: Uint8Array = new Uint8Array(0);
  #volatile: ReadonlySet<number> = new Set();

  get width(): number {
    return this.#width;
  }

  get height(): number {
    return this.#height;
  }

  /** Mean luma of every cell, row by row, as of the last checkpoint applied. The array itself, not a copy. */
  get grid(): Uint8Array {
    return this.#grid;
  }

  /** Cells that the last checkpoint says nothing reliable about. */
  get volatile(): ReadonlySet<number> {
    return this.#volatile;
  }

  /** @throws DAMAGED if the checkpoint does not fit those before it */
  apply(checkpoint: Checkpoint): void {
    const { width, height, cells } = checkpoint;
    const count = gridColumns(width) * gridRows(height);
    if (width !== this.#width || height !== this.#height) {
      if (cells.size !== count)
        throw new HomewardError("DAMAGED", "a checkpoint changes the screen's size without a whole picture", {
          data: { width, height, cells: cells.size, expected: count },
        });
      this.#grid = new Uint8Array(count);
      this.#width = width;
      this.#height = height;
    }
    for (const [cell, luma] of cells) {
      if (cell >= count) throw new HomewardError("DAMAGED", `a checkpoint names cell ${cell} of ${count}`);
      this.#grid[cell] = luma;
    }
    this.#volatile = new Set(checkpoint.volatile);
  }
}
