/** Without input for this long, what follows is a new action: the user looked at the screen in between. */
const PAUSE_MS = 250;
/** RFC 6143 7.5.5: the buttons above the third are the wheel; turning it is more like motion than like an action. */
const BUTTON_BITS = 0b111;

const ENTER = 0xff0d;
const KP_ENTER = 0xff8d;
const ESCAPE = 0xff1b;
const TAB = 0xff09;
const ISO_LEFT_TAB = 0xfe20;
const ACTION_KEYS = new Set([ENTER, KP_ENTER, ESCAPE, TAB, ISO_LEFT_TAB]);
/** Control, Meta, Alt, Super and Hyper, left and right (keysymdef.h); Shift and AltGr only choose a character. */
const CHORD_MODIFIERS = new Set([0xffe3, 0xffe4, 0xffe7, 0xffe8, 0xffe9, 0xffea, 0xffeb, 0xffec, 0xffed, 0xffee]);
const FIRST_MODIFIER = 0xffe1;
const LAST_MODIFIER = 0xffee;

/** Whether an input event wants a checkpoint before it. */
export type Want = "always" | "if-changed" | "none";

/**
 * Finds the moments at which the user acts on what is on the screen: the first input after a pause, a button press,
 * Enter, Escape, Tab, and chords such as Ctrl+S. Events must be passed in order, each once.
 */
export class ActionGate {
  #lastMs = -Infinity;
  #buttons = 0;
  readonly #held = new Set<number>();
  readonly #chording = new Set<number>();

  /** @param keysym X11 keysym; the key's meaning, not its place, makes it an action */
  key(atMs: number, down: boolean, keysym: number): Want {
    const repeated = down && this.#held.has(keysym);
    if (down) this.#held.add(keysym);
    else this.#held.delete(keysym);
    const chord = this.#chording.size > 0 && !(keysym >= FIRST_MODIFIER && keysym <= LAST_MODIFIER);
    if (CHORD_MODIFIERS.has(keysym)) {
      if (down) this.#chording.add(keysym);
      else this.#chording.delete(keysym);
    }
    const want = this.#want(atMs, down && (chord || ACTION_KEYS.has(keysym)));
    // A key that begins to repeat does so without anybody looking at the screen.
    return repeated ? "none" : want;
  }

  pointer(atMs: number, buttons: number): Want {
    const pressed = buttons & ~this.#buttons & BUTTON_BITS;
    this.#buttons = buttons;
    return this.#want(atMs, pressed !== 0);
  }

  #want(atMs: number, action: boolean): Want {
    const paused = atMs - this.#lastMs >= PAUSE_MS;
    this.#lastMs = atMs;
    if (paused) return "always";
    return action ? "if-changed" : "none";
  }
}
