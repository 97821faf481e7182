import { keysymOf, xKeycode } from "../keys.ts";
import type { WindowInputEvent } from "../messages.ts";
import { isInside, placePicture, toGuest, type Layout } from "../picture.ts";
import type { Point, Size } from "../x11/requests.ts";

/** What was done somewhere on the display; positions in its pixels. */
export type DisplayInput =
  | { readonly kind: "key"; readonly down: boolean; /** XT scan code. */ readonly xt: number; readonly shift: boolean }
  | { readonly kind: "button"; readonly down: boolean; /** RFC 6143 7.5.5. */ readonly button: number; readonly at: Point }
  | { readonly kind: "wheel"; readonly button: number; readonly at: Point }
  | { readonly kind: "move"; readonly at: Point };

/** The window at a moment. */
export interface WindowView {
  readonly focused: boolean;
  /** The pointer is over another window. */
  readonly elsewhere: boolean;
  readonly origin: Point;
  readonly size: Size;
  /** Modifiers and group of the display's keyboard, see Pointer.mask. */
  readonly mask: number;
}

const ISO_LEVEL3_SHIFT = 0xfe03;
const [SHIFT, LEVEL_3] = [0x01, 0x80];

/**
 * Finds what concerns one window in everything that is done on a display, and turns it into input of the guest whose picture
 * the window shows. What begins in the window counts to its end: a drag goes on outside of it, at the picture's edge. What
 * is held when the window loses the focus is released, as viewers do. Keys that are typed elsewhere leave no trace.
 */
export class WindowInput {
  readonly #layout: Layout;
  readonly #keyboard: ReadonlyMap<number, readonly number[]>;
  readonly #emit: (event: WindowInputEvent) => void;
  readonly #held = new Map<number, number>();
  #screen: Size;
  #buttons = 0;
  #last: Point = { x: 0, y: 0 };

  /** @param keyboard X keycode -> keysyms */
  constructor(
    layout: Layout,
    screen: Size,
    keyboard: ReadonlyMap<number, readonly number[]>,
    emit: (event: WindowInputEvent) => void,
  ) {
    this.#layout = layout;
    this.#screen = screen;
    this.#keyboard = keyboard;
    this.#emit = emit;
  }

  /** XT scan codes of the keys that are held in the window. */
  get held(): readonly number[] {
    return [...this.#held.keys()];
  }

  /** The guest has another screen mode. */
  setScreen(screen: Size): void {
    this.#screen = screen;
  }

  /** @param view the window, at the time of the event or later */
  input(event: DisplayInput, view: WindowView): void {
    if (event.kind === "key") this.#key(event, view);
    else if (event.kind === "move") this.#move(event.at, view);
    else if (event.kind === "wheel") this.#wheel(event, view);
    else if (event.down) this.#press(event, view);
    else if ((this.#buttons & event.button) !== 0) {
      this.#buttons &= ~event.button;
      this.#point(event.at, view, this.#buttons);
    }
  }

  /** Releases everything: the window has lost the focus, or capturing ends. */
  releaseAll(): void {
    for (const [keycode, keysym] of this.#held) this.#emit({ type: "key", down: false, keysym, keycode });
    this.#held.clear();
    if (this.#buttons !== 0) this.#emit({ type: "pointer", ...this.#last, buttons: 0 });
    this.#buttons = 0;
  }

  #key({ down, xt, shift }: DisplayInput & { kind: "key" }, view: WindowView): void {
    if (xt === 0) return;
    const before = this.#held.get(xt);
    if (!down) {
      if (before === undefined) return;
      this.#held.delete(xt);
      this.#emit({ type: "key", down, keysym: before, keycode: xt });
      return;
    }
    if (!view.focused) return;
    const keysym = before ?? keysymOf(this.#keyboard.get(xKeycode(xt)) ?? [], this.#mask(shift, view.mask));
    this.#held.set(xt, keysym);
    this.#emit({ type: "key", down, keysym, keycode: xt });
  }

  /**
   * Shift and AltGr as they were at the event: the view is newer, and a letter whose keysym does not go with Shift makes QEMU
   * press Caps Lock (ui/vnc.c, do_key_event).
   */
  #mask(shift: boolean, mask: number): number {
    const level3 = [...this.#held.values()].includes(ISO_LEVEL3_SHIFT);
    return (mask & ~SHIFT & ~LEVEL_3) | (shift ? SHIFT : 0) | (level3 ? LEVEL_3 : 0);
  }

  #press({ button, at }: DisplayInput & { kind: "button" }, view: WindowView): void {
    if (this.#buttons === 0 && !this.#reaches(at, view)) return;
    this.#buttons |= button;
    this.#point(at, view, this.#buttons);
  }

  #wheel({ button, at }: DisplayInput & { kind: "wheel" }, view: WindowView): void {
    if (!this.#reaches(at, view)) return;
    this.#point(at, view, this.#buttons | button);
    this.#point(at, view, this.#buttons);
  }

  #reaches(at: Point, view: WindowView): boolean {
    return view.focused && !view.elsewhere && this.#isInside(at, view);
  }

  #isInside(at: Point, view: WindowView): boolean {
    const picture = placePicture(view.size, this.#screen, this.#layout);
    return picture !== null && isInside(picture, { x: at.x - view.origin.x, y: at.y - view.origin.y });
  }

  /** Motion counts in the picture and, while a button is held that was pressed there, everywhere. */
  #move(at: Point, view: WindowView): void {
    if (this.#buttons !== 0 || (view.focused && this.#isInside(at, view))) this.#point(at, view, this.#buttons);
  }

  #point(at: Point, view: WindowView, buttons: number): void {
    const picture = placePicture(view.size, this.#screen, this.#layout);
    if (picture !== null)
      this.#last = toGuest(picture, this.#screen, { x: at.x - view.origin.x, y: at.y - view.origin.y });
    this.#emit({ type: "pointer", ...this.#last, buttons });
  }
}
