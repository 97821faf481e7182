import type { KeyInput } from "../protocol/input-log.ts";
import type { Input, ReplayedPower } from "./plan.ts";

/** Where replayed input goes; coordinates, buttons, keysyms and keycodes as in the input log. */
export interface ReplaySink {
  key(down: boolean, keysym: number, keycode: number): void;
  pointer(x: number, y: number, buttons: number): void;
  power(action: ReplayedPower): Promise<void>;
}

interface Press {
  readonly keysym: number;
  readonly keycode: number;
  /** Recorded, and on the replay's clock. */
  readonly atMs: number;
  readonly sentMs: number;
}

// Shift changes the keysym between press and release of a key, not its keycode.
function nameOf({ keysym, keycode }: KeyInput): string {
  return keycode === 0 ? `sym ${keysym}` : `code ${keycode}`;
}

/** Keeps track of what is held down: since when, and to let go of it when a replay stops half-way. */
export class PressedInput {
  readonly #keys = new Map<string, Press>();
  #pointer = { x: 0, y: 0, buttons: 0 };

  /**
   * When an input may be sent at the earliest. What repeats a key that is held must come as long after the press as it did
   * in the recording: Linux drops what comes within 125 ms of it (drivers/input/keyboard/atkbd.c).
   */
  earliestMs(input: Input): number {
    if (input.kind !== "key" || !input.down) return -Infinity;
    const press = this.#keys.get(nameOf(input));
    return press === undefined ? -Infinity : press.sentMs + input.atMs - press.atMs;
  }

  /** The input is sent now, at `sentMs` of the replay's clock. */
  note(input: Input, sentMs: number): void {
    if (input.kind === "pointer") this.#pointer = { x: input.x, y: input.y, buttons: input.buttons };
    if (input.kind !== "key") return;
    const name = nameOf(input);
    if (!input.down) this.#keys.delete(name);
    else if (!this.#keys.has(name)) this.#keys.set(name, { ...input, sentMs });
  }

  release(sink: ReplaySink): void {
    for (const { keysym, keycode } of this.#keys.values()) sink.key(false, keysym, keycode);
    this.#keys.clear();
    if (this.#pointer.buttons !== 0) sink.pointer(this.#pointer.x, this.#pointer.y, 0);
    this.#pointer = { ...this.#pointer, buttons: 0 };
  }
}
