import type { Key } from "../../vm/rfb/keymap.ts";

/** What a session is played on; RfbClient is one. */
export interface Console {
  readonly width: number;
  readonly height: number;
  readonly frame: { lumaGrid(): Uint8Array };
  key(down: boolean, keysym: number, keycode: number): void;
  pointer(x: number, y: number, buttons: number): void;
  onUpdate(callback: () => void): () => void;
}

/** Presses and releases, and knows what is held down. */
export class Hands {
  readonly #console: Console;
  readonly #held: Key[] = [];
  #buttons = 0;
  #x = 0;
  #y = 0;
  #before: Uint8Array;
  /** Key and pointer events sent. */
  events = 0;

  constructor(console: Console) {
    this.#console = console;
    this.#before = console.frame.lumaGrid();
    this.#x = Math.floor(console.width / 2);
    this.#y = Math.floor(console.height / 2);
  }

  get at(): [number, number] {
    return [this.#x, this.#y];
  }

  /** Luma of each cell of the picture just before the last press of a key or button. */
  get before(): Uint8Array {
    return this.#before;
  }

  press(key: Key): void {
    this.#before = this.#console.frame.lumaGrid();
    this.#held.push(key);
    this.#send(true, key);
  }

  release(key: Key): void {
    const index = this.#held.lastIndexOf(key);
    if (index !== -1) this.#held.splice(index, 1);
    this.#send(false, key);
  }

  #send(down: boolean, key: Key): void {
    this.#console.key(down, key.keysym, key.keycode);
    this.events++;
  }

  move(x: number, y: number): void {
    this.#x = Math.min(x, this.#console.width - 1);
    this.#y = Math.min(y, this.#console.height - 1);
    this.#point();
  }

  /** @param buttons RFC 6143 7.5.5 mask */
  buttons(buttons: number): void {
    if (buttons !== 0) this.#before = this.#console.frame.lumaGrid();
    this.#buttons = buttons;
    this.#point();
  }

  #point(): void {
    this.#console.pointer(this.#x, this.#y, this.#buttons);
    this.events++;
  }

  /** Lets go of everything, last pressed first. */
  releaseAll(): void {
    for (const key of [...this.#held].reverse()) this.release(key);
    if (this.#buttons !== 0) this.buttons(0);
  }
}
