/** X11 keysyms, left and right (keysymdef.h). */
const MODIFIERS: readonly (readonly number[])[] = [
  [0xffe3, 0xffe4], // Ctrl
  [0xffe9, 0xffea, 0xffe7, 0xffe8], // Alt; with Shift it is Meta in some viewers
  [0xffe1, 0xffe2], // Shift
];
/** F12, and what X turns it into when Ctrl and Alt are held. */
const KEYS: readonly number[] = [0xffc9, 0x1008fe0c];

/**
 * Finds Ctrl+Alt+Shift+F12 in what one viewer types. No desktop or program is known to use it; the modifiers reach the
 * guest, where they mean nothing by themselves.
 */
export class PauseKey {
  readonly #held = new Set<number>();
  readonly #onPressed: () => void;
  #down = false;

  constructor(onPressed: () => void) {
    this.#onPressed = onPressed;
  }

  /** Whether this key event is not for the guest. */
  swallows(down: boolean, keysym: number): boolean {
    if (down) this.#held.add(keysym);
    else this.#held.delete(keysym);
    if (!KEYS.includes(keysym)) return false;
    const wasDown = this.#down;
    if (!down) {
      this.#down = false;
      return wasDown;
    }
    // It repeats while it is held.
    if (wasDown) return true;
    if (!MODIFIERS.every((either) => either.some((modifier) => this.#held.has(modifier)))) return false;
    this.#down = true;
    this.#onPressed();
    return true;
  }
}
