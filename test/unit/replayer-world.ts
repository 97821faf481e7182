import type { Clock } from "../../replayer/clock.ts";
import type { ReplayScreen } from "../../replayer/gate.ts";
import type { ReplaySink } from "../../replayer/pressed.ts";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that stands still until everything waits for it, then jumps to the next timer. */
export class SimulatedClock implements Clock {
  #now = 0;
  #timers: Timer[] = [];
  #order = 0;

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { atMs: this.#now + Math.max(0, ms), order: this.#order++, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve);
    });
  }

  /** Lets time pass until the work is done. */
  async run<T>(work: Promise<T>): Promise<T> {
    const state = { done: false };
    const end = (): void => {
      state.done = true;
    };
    work.then(end, end);
    for (;;) {
      await new Promise(setImmediate);
      if (state.done) return work;
      let next: Timer | undefined;
      for (const timer of this.#timers)
        if (next === undefined || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order))
          next = timer;
      if (next === undefined) throw new Error("everything waits and no timer is left");
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = next.atMs;
      next.callback();
    }
  }
}

export const ENTER = 0xff0d;
/** Starts the editor of the fake desktop. */
export const F2 = 0xffbf;
/** Clears the terminal. */
export const F3 = 0xffc0;

export const COLUMNS = 40;
export const ROWS = 30;
const TERMINAL = 41;
const EDITOR_TOP = 15;
const EDITOR = EDITOR_TOP * COLUMNS + 45;

export interface DesktopTraits {
  /** Milliseconds until a key shows. */
  readonly echoMs?: number;
  /** Milliseconds until the editor's window is there and has the focus; undefined: there is no such program. */
  readonly openMs?: number | undefined;
  /** Milliseconds a command works before its output shows. */
  readonly workMs?: number;
  /** The top right cells show the time in seconds. */
  readonly clock?: boolean;
  /** So many cells from the last one upwards show a video. */
  readonly video?: number;
  /** Each command's output holds a number that differs from desktop to desktop. */
  readonly processNumber?: number;
}

/** A terminal (upper half) and an editor (lower half, once started): what is typed goes to the one with the focus. */
export class FakeDesktop implements ReplayScreen, ReplaySink {
  readonly width = COLUMNS * 16;
  readonly height = ROWS * 16;
  readonly grid = new Uint8Array(COLUMNS * ROWS).fill(20);
  readonly received: { atMs: number; what: string }[] = [];
  /** Everything takes so many times as long from now on. */
  slowness = 1;
  terminalText = "";
  editorText = "";
  #focus: "terminal" | "editor" = "terminal";
  #terminalAt = TERMINAL;
  #editorAt = EDITOR;
  readonly #clock: Clock;
  readonly #traits: DesktopTraits;
  readonly #listeners = new Set<() => void>();

  constructor(clock: Clock, traits: DesktopTraits = {}) {
    this.#clock = clock;
    this.#traits = { openMs: 1500, ...traits };
    if (traits.clock === true) this.#tick();
    if (traits.video !== undefined) this.#film(traits.video);
  }

  #film(cells: number): void {
    const last = COLUMNS * ROWS - 1;
    // No two desktops show the same at the same time, and no cell the same twice in a row.
    const next = (cell: number): number => ((this.grid[cell] ?? 0) + 20 + Math.floor(Math.random() * 200)) % 256;
    this.paint(Array.from({ length: cells }, (_, i): [number, number] => [last - i, next(last - i)]));
    this.#clock.after(100, () => {
      this.#film(cells);
    });
  }

  #tick(): void {
    const seconds = Math.floor(this.#clock.now() / 1000);
    this.paint([
      [COLUMNS - 3, 50 + ((seconds * 17) % 150)],
      [COLUMNS - 2, 50 + ((seconds * 41) % 150)],
      [COLUMNS - 1, 50 + ((seconds * 73) % 150)],
    ]);
    this.#clock.after(1000, () => {
      this.#tick();
    });
  }

  lumaGrid(): Uint8Array {
    return this.grid.slice();
  }

  onUpdate(callback: () => void): () => void {
    this.#listeners.add(callback);
    return () => {
      this.#listeners.delete(callback);
    };
  }

  paint(cells: readonly (readonly [number, number])[]): void {
    for (const [cell, luma] of cells) this.grid[cell] = luma;
    for (const listener of this.#listeners) listener();
  }

  #later(ms: number, change: () => void): void {
    this.#clock.after(ms * this.slowness, change);
  }

  key(down: boolean, keysym: number): void {
    this.received.push({ atMs: this.#clock.now(), what: `${down ? "+" : "-"}${keysym}` });
    if (!down) return;
    // Keys are handled in order by whoever has the focus when the guest gets to them.
    this.#later(this.#traits.echoMs ?? 20, () => {
      if (keysym === F2) this.#openEditor();
      else if (keysym === F3) this.#clear();
      else if (this.#focus === "editor") this.#typeInEditor(keysym);
      else this.#typeInTerminal(keysym);
    });
  }

  #openEditor(): void {
    const { openMs } = this.#traits;
    if (openMs === undefined) return;
    this.#later(openMs, () => {
      this.#focus = "editor";
      const cells: [number, number][] = [];
      for (let cell = EDITOR_TOP * COLUMNS; cell < COLUMNS * ROWS; cell++) cells.push([cell, 230]);
      for (let cell = 0; cell < COLUMNS - 3; cell++) cells.push([cell, 30]);
      this.paint(cells);
    });
  }

  #clear(): void {
    this.#terminalAt = TERMINAL;
    const cells: [number, number][] = [];
    for (let cell = COLUMNS; cell < EDITOR_TOP * COLUMNS; cell++) cells.push([cell, 20]);
    this.paint(cells);
  }

  #typeInEditor(keysym: number): void {
    this.editorText += String.fromCharCode(keysym === ENTER ? 10 : keysym);
    if (keysym === ENTER) this.#editorAt = (Math.floor(this.#editorAt / COLUMNS) + 1) * COLUMNS + 5;
    else this.paint([[this.#editorAt++, 100 + (keysym % 64)]]);
  }

  #typeInTerminal(keysym: number): void {
    this.terminalText += String.fromCharCode(keysym === ENTER ? 10 : keysym);
    if (keysym !== ENTER) {
      this.paint([[this.#terminalAt++, 100 + (keysym % 64)]]);
      return;
    }
    const row = Math.floor(this.#terminalAt / COLUMNS) + 1;
    this.#terminalAt = (row + 1) * COLUMNS + 1;
    this.#later(this.#traits.workMs ?? 300, () => {
      const number = this.#traits.processNumber ?? 0;
      this.paint([0, 1, 2, 3, 4, 5].map((i) => [row * COLUMNS + i, i < 3 ? 90 + i : 90 + ((number * (i + 3)) % 100)]));
    });
  }

  pointer(x: number, y: number, buttons: number): void {
    this.received.push({ atMs: this.#clock.now(), what: `@${x},${y}:${buttons}` });
  }

  power(action: "host-reset" | "host-powerdown" | "power-on"): Promise<void> {
    this.received.push({ atMs: this.#clock.now(), what: action });
    return Promise.resolve();
  }
}
