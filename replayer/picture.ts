/** Cells (16x16 pixels) whose mean luma (0 to 255) is further apart than this differ. */
export const LUMA_TOLERANCE = 6;

/** So many differing cells still count as the same picture: a text cursor that blinks lies on at most two. A word that
 * was typed into the wrong window differs in both windows and is noticed. */
export const CELL_TOLERANCE = 2;

/** At most this share of the picture is left out of a comparison that alone decides when an action is sent. */
export const MASKED_SHARE = 0.1;

/** Where less than this share of the picture stood still, comparing it says nothing. */
const TELLING_SHARE = 0.1;

/** Mean luma of each 16x16-pixel cell, row by row. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly grid: Uint8Array;
}

/** What is not compared: cells that a miss masked, and those that the recording says nothing reliable about. */
export interface Excused {
  readonly masked: ReadonlySet<number>;
  readonly volatile: ReadonlySet<number>;
}

export const nothingExcused: Excused = { masked: new Set(), volatile: new Set() };

export interface Comparison {
  readonly matches: boolean;
  /** Cells that differ and were not excused. */
  readonly differing: number;
}

/**
 * How much a recorded picture tells: `still`, but for details; `restless`, more than `MASKED_SHARE` of it changed all the
 * time (a video, output that scrolls), so that the rest is worth comparing but proves less; `nothing`, all of it did.
 */
export function telling(picture: Picture, volatile: ReadonlySet<number>): "still" | "restless" | "nothing" {
  const cells = picture.grid.length;
  if (volatile.size <= limit(cells)) return "still";
  return cells - volatile.size < cells * TELLING_SHARE ? "nothing" : "restless";
}

function limit(cells: number): number {
  return Math.floor(cells * MASKED_SHARE);
}

/**
 * Compares what is seen with what was recorded. Differences in excused cells are overlooked, but never in more than
 * `MASKED_SHARE` of the picture, besides the volatile cells of a restless one: those beyond count. Pictures of different
 * size differ everywhere.
 */
export function compare(recorded: Picture, seen: Picture, excused: Excused): Comparison {
  const cells = recorded.grid.length;
  if (recorded.width !== seen.width || recorded.height !== seen.height || seen.grid.length !== cells)
    return { matches: false, differing: Math.max(cells, seen.grid.length) };
  let differing = 0;
  let overlooked = 0;
  for (let cell = 0; cell < cells; cell++) {
    if (Math.abs((recorded.grid[cell] ?? 0) - (seen.grid[cell] ?? 0)) <= LUMA_TOLERANCE) continue;
    if (excused.masked.has(cell) || excused.volatile.has(cell)) overlooked++;
    else differing++;
  }
  const restless = telling(recorded, excused.volatile) === "still" ? 0 : excused.volatile.size;
  differing += Math.max(0, overlooked - limit(cells) - restless);
  return { matches: differing <= CELL_TOLERANCE, differing };
}

/** The cells that differ and are not excused; empty for pictures of different size, which no cell describes. */
export function differingCells(recorded: Picture, seen: Picture, excused: Excused): number[] {
  if (recorded.width !== seen.width || recorded.height !== seen.height) return [];
  const cells: number[] = [];
  for (let cell = 0; cell < recorded.grid.length; cell++) {
    if (excused.masked.has(cell) || excused.volatile.has(cell)) continue;
    if (Math.abs((recorded.grid[cell] ?? 0) - (seen.grid[cell] ?? 0)) > LUMA_TOLERANCE) cells.push(cell);
  }
  return cells;
}

/** Cells that stayed different after a miss and are not compared any more. */
export class Mask {
  readonly #cells = new Set<number>();

  get cells(): ReadonlySet<number> {
    return this.#cells;
  }

  /**
   * Masks the cells, so that one difference (a clock, a process number) does not slow every later step. A difference that
   * would take the mask, with this checkpoint's volatile cells, past `MASKED_SHARE` is no such detail: nothing is masked
   * then, and it keeps counting.
   * @returns whether they were masked
   */
  add(differing: readonly number[], volatile: ReadonlySet<number>, pictureCells: number): boolean {
    const all = new Set([...this.#cells, ...differing, ...volatile]);
    if (all.size > limit(pictureCells)) return false;
    for (const cell of differing) this.#cells.add(cell);
    return true;
  }

  /** A screen of another size has other cells. */
  clear(): void {
    this.#cells.clear();
  }
}
