import type { HomewardError } from "../common/errors.ts";
import { HeldInput, type HeldKey } from "./held-input.ts";
import type { PauseKey } from "./pause-key.ts";
import type { InputTap } from "./viewer-connection.ts";

export interface CapturedInputOptions {
  readonly tap: InputTap;
  readonly pauseKey: PauseKey | null;
  /** Why it is over although nobody closed it. */
  readonly onEnded: (error: HomewardError) => void;
  readonly onClosed: () => void;
}

/**
 * Input that a viewer sends to the guest by itself and somebody watches: it is only told, never sent. The key that pauses the
 * recording does so here too, but the guest gets it all the same.
 */
export class CapturedInput implements InputTap {
  readonly #options: CapturedInputOptions;
  readonly #held = new HeldInput();
  #closed = false;

  constructor(options: CapturedInputOptions) {
    this.#options = options;
  }

  key(down: boolean, keysym: number, keycode: number): void {
    if (this.#closed || this.#options.pauseKey?.swallows(down, keysym) === true) return;
    this.#held.key(this, down, keysym, keycode);
    this.#options.tap.key(down, keysym, keycode);
  }

  pointer(x: number, y: number, buttons: number): void {
    if (this.#closed) return;
    this.#options.tap.pointer(x, y, this.#held.pointer(this, x, y, buttons));
  }

  /** Tells the tap that nothing is held any more. @returns the keys that were */
  releaseHeld(): readonly HeldKey[] {
    const keys = this.#held.releaseKeys(this);
    for (const { keysym, keycode } of keys) this.#options.tap.key(false, keysym, keycode);
    const pointer = this.#held.releaseButtons(this);
    if (pointer !== undefined) this.#options.tap.pointer(pointer.x, pointer.y, pointer.buttons);
    return keys;
  }

  /** Nothing more is told from now on; may be repeated. */
  close(): void {
    if (this.#closed) return;
    this.releaseHeld();
    this.#closed = true;
    this.#options.onClosed();
  }

  end(error: HomewardError): void {
    if (this.#closed) return;
    this.close();
    this.#options.onEnded(error);
  }
}
