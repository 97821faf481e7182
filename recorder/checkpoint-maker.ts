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
 * Cells that changed a moment ago are listed up to this share of the screen. Above it a window has opened, say: listing it
 * would make the checkpoint match anything, and the newest picture as it is, is most likely the last one.
 */
const MAX_VOLATILE_SHARE = 0.1;

function merge(a: readonly number[], b: readonly number[]): number[] {
  return [...a, ...b].sort((x, y) => x - y);
}

/**
 * A picture that changes by itself in more places than that (a video, output that scrolls) is one that no replay will ever
 * see again: all that moves is listed then, and a replay knows by how much it is that the rest proves little.
 */
function volatileCells(view: ScreenView): readonly number[] {
  const most = view.grid.length * MAX_VOLATILE_SHARE;
  const all = merge(view.flickering, view.unsettled);
  return all.length <= most || view.flickering.length > most ? all : view.flickering;
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
    const { width, height } = view;
    const last = width === this.#width && height === this.#height ? this.#grid : undefined;
    const volatile = volatileCells(view);
    // What a large part of the screen showed for an instant is not worth its bytes.
    const passing = new Set(volatile.length > view.grid.length * MAX_VOLATILE_SHARE ? volatile : []);
    const grid = last?.slice() ?? view.grid.slice();
    const cells = new Map<number, number>();
    view.grid.forEach((luma, cell) => {
      if (last !== undefined && (luma === last[cell] || passing.has(cell))) return;
      cells.set(cell, luma);
      grid[cell] = luma;
    });
    this.#width = width;
    this.#height = height;
    this.#grid = grid;
    return { width, height, cells, volatile, ageMs: Math.max(0, Math.round(view.ageMs)) };
  }
}
