import type { Checkpoint } from "../protocol/input-log.ts";

/** What is known of the screen at one moment. */
export interface ScreenView {
  readonly width: number;
  readonly height: number;
  /** Luma of every cell. */
  readonly grid: Uint8Array;
  /** Ascending; cells that change by themselves. */
  readonly flickering: readonly number[];
  /** Ascending; cells that changed a moment ago and do not flicker. */
  readonly unsettled: readonly number[];
  /** Milliseconds since the picture last changed, flickering cells left out. */
  readonly ageMs: number;
}

/**
 * Above this share of the screen the cells in motion are not listed: a mask that large would make the checkpoint match
 * anything. It then holds the newest picture as it is, and its age says how much to trust it.
 */
const MAX_VOLATILE_SHARE = 0.1;

function merge(a: readonly number[], b: readonly number[]): number[] {
  return [...a, ...b].sort((x, y) => x - y);
}

function volatileCells(view: ScreenView): readonly number[] {
  const most = view.grid.length * MAX_VOLATILE_SHARE;
  const all = merge(view.flickering, view.unsettled);
  if (all.length <= most) return all;
  return view.flickering.length <= most ? view.flickering : [];
}

/** Makes the checkpoints of one recording, each holding only what changed since the one before. */
export class CheckpointMaker {
  #width = 0;
  #height = 0;
  #grid: Uint8Array | undefined;

  /** Whether something other than the restless cells looks different from the last checkpoint. */
  differs(view: ScreenView): boolean {
    const last = this.#grid;
    if (last === undefined || view.width !== this.#width || view.height !== this.#height) return true;
    const restless = new Set(view.flickering);
    return view.grid.some((luma, cell) => luma !== last[cell] && !restless.has(cell));
  }

  take(view: ScreenView): Checkpoint {
    const last = view.width === this.#width && view.height === this.#height ? this.#grid : undefined;
    const cells = new Map<number, number>();
    view.grid.forEach((luma, cell) => {
      if (last === undefined || luma !== last[cell]) cells.set(cell, luma);
    });
    this.#width = view.width;
    this.#height = view.height;
    this.#grid = view.grid.slice();
    const { width, height } = view;
    return { width, height, cells, volatile: volatileCells(view), ageMs: Math.max(0, Math.round(view.ageMs)) };
  }
}
