/** A cell counts as settled when it has kept its luma this long, in milliseconds after the last change arrived. */
const SETTLE_MS = 150;
/** Window in which a cell has to change again without user input to count as flickering. */
const FLICKER_WINDOW_MS = 5000;
const FLICKER_CHANGES = 3;
/** Bounds on how long after its last change a flickering cell is expected to change again. */
const MIN_EXPECTATION_MS = 300;
const MAX_EXPECTATION_MS = FLICKER_WINDOW_MS;

/**
 * How each cell of the screen has been changing, to tell what a checkpoint can rely on from what it cannot: cells that
 * have not settled, and cells that change by themselves (a blinking cursor, a clock, a spinner).
 *
 * A cell flickers when it changed and changed back, or changed three times, within 5 s and without user input in between.
 * It stops flickering when it has been still for twice the time it last took to change, so that the output of a command
 * counts as part of the picture again as soon as the command is done.
 */
export class CellHistory {
  readonly #luma: Uint8Array;
  readonly #before: Uint8Array;
  readonly #lastChangeMs: Float64Array;
  readonly #intervalMs: Float64Array;
  readonly #windowStartMs: Float64Array;
  readonly #ownChanges: Uint8Array;
  readonly #inputsSeen: Uint32Array;
  readonly #flickers: Uint8Array;
  #inputs = 0;

  /** @param grid the picture to start from, taken as settled */
  constructor(grid: Uint8Array) {
    const cells = grid.length;
    this.#luma = grid.slice();
    this.#before = grid.slice();
    this.#lastChangeMs = new Float64Array(cells).fill(-Infinity);
    this.#intervalMs = new Float64Array(cells).fill(Infinity);
    this.#windowStartMs = new Float64Array(cells).fill(-Infinity);
    this.#ownChanges = new Uint8Array(cells);
    this.#inputsSeen = new Uint32Array(cells);
    this.#flickers = new Uint8Array(cells);
  }

  /** The newest picture. The array itself, not a copy. */
  get grid(): Uint8Array {
    return this.#luma;
  }

  /** The user did something: what changes next may be its result. */
  noteInput(): void {
    this.#inputs = (this.#inputs + 1) >>> 0;
  }

  /** Takes in a picture of the same size that arrived at `nowMs` (any clock that only goes forward). */
  update(grid: Uint8Array, nowMs: number): void {
    for (let cell = 0; cell < grid.length; cell++) {
      const luma = grid[cell] ?? 0;
      if (luma !== this.#luma[cell]) this.#changed(cell, luma, nowMs);
    }
  }

  /** Whether the cell changed so recently that it may be half-way to something. */
  isUnsettled(cell: number, nowMs: number): boolean {
    return nowMs - at(this.#lastChangeMs, cell) < SETTLE_MS;
  }

  /** Whether the cell changes by itself and is expected to do so again. */
  isFlickering(cell: number, nowMs: number): boolean {
    if (this.#flickers[cell] === 0) return false;
    const expected = Math.min(MAX_EXPECTATION_MS, Math.max(MIN_EXPECTATION_MS, 2 * at(this.#intervalMs, cell)));
    return nowMs - at(this.#lastChangeMs, cell) < expected;
  }

  /** When the picture last changed, flickering cells left out; -Infinity if it never has. */
  lastChangeMs(nowMs: number): number {
    return this.#lastChangeMs.reduce(
      (latest, changedMs, cell) => (changedMs > latest && !this.isFlickering(cell, nowMs) ? changedMs : latest),
      -Infinity,
    );
  }

  /** Ascending numbers of the cells for which `test` holds. */
  cellsThat(test: (cell: number) => boolean): number[] {
    const cells: number[] = [];
    for (let cell = 0; cell < this.#luma.length; cell++) if (test(cell)) cells.push(cell);
    return cells;
  }

  #changed(cell: number, luma: number, nowMs: number): void {
    const stillFlickers = this.isFlickering(cell, nowMs);
    const changedBack = luma === this.#before[cell];
    const sinceLast = nowMs - at(this.#lastChangeMs, cell);
    const afterInput = this.#inputsSeen[cell] !== this.#inputs;
    const windowOver = nowMs - at(this.#windowStartMs, cell) > FLICKER_WINDOW_MS;
    if (afterInput || windowOver) {
      this.#ownChanges[cell] = 1;
      this.#windowStartMs[cell] = nowMs;
      this.#inputsSeen[cell] = this.#inputs;
      this.#flickers[cell] = stillFlickers ? 1 : 0;
    } else {
      const changes = Math.min(at(this.#ownChanges, cell) + 1, FLICKER_CHANGES);
      this.#ownChanges[cell] = changes;
      this.#flickers[cell] = stillFlickers || changedBack || changes >= FLICKER_CHANGES ? 1 : 0;
    }
    this.#intervalMs[cell] = sinceLast;
    this.#lastChangeMs[cell] = nowMs;
    this.#before[cell] = at(this.#luma, cell);
    this.#luma[cell] = luma;
  }
}

function at(values: Float64Array | Uint8Array, index: number): number {
  return values[index] ?? 0;
}
