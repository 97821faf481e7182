import type { Input, ReplayedPower } from "./plan.ts";

/** Where replayed input goes; coordinates, buttons, keysyms and keycodes as in the input log. */
export interface ReplaySink {
  key(down: boolean, keysym: number, keycode: number): void;
  pointer(x: number, y: number, buttons: number): void;
  power(action: ReplayedPower): Promise<void>;
}

/** Keeps track of what is held down, to let go of it when a replay stops half-way. */
export class PressedInput {
  readonly #keys = new Map<string, { keysym: number; keycode: number }>();
  #pointer = { x: 0, y: 0, buttons: 0 };

  note(input: Input): void {
    if (input.kind === "pointer") this.#pointer = { x: input.x, y: input.y, buttons: input.buttons };
    if (input.kind !== "key") return;
    const { keysym, keycode } = input;
    // Shift changes the keysym between press and release of a key, not its keycode.
    const name = keycode === 0 ? `sym ${keysym}` : `code ${keycode}`;
    if (input.down) this.#keys.set(name, { keysym, keycode });
    else this.#keys.delete(name);
  }

  release(sink: ReplaySink): void {
    for (const { keysym, keycode } of this.#keys.values()) sink.key(false, keysym, keycode);
    this.#keys.clear();
    if (this.#pointer.buttons !== 0) sink.pointer(this.#pointer.x, this.#pointer.y, 0);
    this.#pointer = { ...this.#pointer, buttons: 0 };
  }
}
