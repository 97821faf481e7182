import type { PointerInput } from "../protocol/input-log.ts";
import type { Line, LineQueue } from "./describe-lines.ts";

const BUTTONS: readonly (readonly [number, string])[] = [
  [1, "left"],
  [2, "middle"],
  [4, "right"],
];
const BUTTON_BITS = 0b111;
const WHEEL: readonly (readonly [number, string])[] = [
  [8, "up"],
  [16, "down"],
  [32, "left"],
  [64, "right"],
];
/** Released this near to where it was pressed, in pixels, it was a click. */
const CLICK_PIXELS = 4;

interface Gesture {
  readonly line: Line;
  readonly kind: "motion" | "press" | "wheel";
  /** Which button, or which way the wheel turned. */
  readonly name: string;
  readonly x: number;
  readonly y: number;
  steps: number;
}

function nameOf(list: readonly (readonly [number, string])[], mask: number): string {
  return list
    .filter(([bit]) => (mask & bit) !== 0)
    .map(([, name]) => name)
    .join("+");
}

/** Makes clicks, drags, scrolling and plain motion out of pointer events. */
export class PointerLines {
  readonly #lines: LineQueue;
  #gesture: Gesture | undefined;
  #x = 0;
  #y = 0;
  #buttons = 0;

  constructor(lines: LineQueue) {
    this.#lines = lines;
  }

  /** Whether this is more than motion. */
  startsSomething(event: PointerInput): boolean {
    return (event.buttons & ~this.#buttons) !== 0;
  }

  pointer(atMs: number, { x, y, buttons }: PointerInput): void {
    const pressed = buttons & ~this.#buttons;
    const released = this.#buttons & ~buttons;
    this.#x = x;
    this.#y = y;
    this.#buttons = buttons;
    if ((pressed & BUTTON_BITS) !== 0) this.#begin(atMs, "press", nameOf(BUTTONS, pressed));
    else if (pressed !== 0) this.#wheel(atMs, nameOf(WHEEL, pressed));
    else if ((released & BUTTON_BITS) !== 0) this.end();
    else if (this.#gesture === undefined && buttons === 0) this.#begin(atMs, "motion", "");
  }

  /** Finishes what the pointer was doing. */
  end(): void {
    const gesture = this.#gesture;
    if (gesture === undefined) return;
    this.#gesture = undefined;
    const { kind, name, x, y, steps } = gesture;
    const moved = Math.abs(this.#x - x) > CLICK_PIXELS || Math.abs(this.#y - y) > CLICK_PIXELS;
    if (kind === "wheel") gesture.line.text = `scrolled ${name} ${steps} at ${x},${y}`;
    else if (kind === "motion") gesture.line.text = `moved the pointer to ${this.#x},${this.#y}`;
    else if (moved) gesture.line.text = `dragged ${name} from ${x},${y} to ${this.#x},${this.#y}`;
    else gesture.line.text = `clicked ${name} at ${x},${y}`;
  }

  #wheel(atMs: number, direction: string): void {
    const gesture = this.#gesture;
    if (gesture?.kind === "wheel" && gesture.name === direction) gesture.steps++;
    else this.#begin(atMs, "wheel", direction);
  }

  #begin(atMs: number, kind: Gesture["kind"], name: string): void {
    // The way to where something happens needs no line of its own.
    if (this.#gesture?.kind === "motion") {
      this.#gesture.line.text = "";
      this.#gesture = undefined;
    }
    this.end();
    this.#gesture = { line: this.#lines.open(atMs), kind, name, x: this.#x, y: this.#y, steps: 1 };
  }
}
