import { delay } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import type { XConnection, XEvent } from "../x11/connection.ts";
import { ancestry, inputFocus, queryPointer, selectEvents, windowOrigin, windowSize } from "../x11/requests.ts";
import { frameOf } from "../x11/windows.ts";
import type { WindowView } from "./window-input.ts";

/** EventMask bits StructureNotify and FocusChange; events of them that matter here. */
const EVENTS = (1 << 17) | (1 << 21);
const FOCUS_IN = 9;
const CONFIGURE_NOTIFY = 22;
/** Window managers give the focus after the press that asks for it. */
const FOCUS_GRACE_MS = 100;
const [NOWHERE, WHERE_THE_POINTER_IS] = [0, 1];

/** Looks at one window: where it is, how large, whether it has the focus and whether the pointer is in it. */
export class WindowWatch {
  readonly #x: XConnection;
  readonly #window: number;
  #frame: number;
  #focus = { window: NOWHERE, ours: false };
  #view: WindowView;

  private constructor(x: XConnection, window: number, frame: number, view: WindowView) {
    this.#x = x;
    this.#window = window;
    this.#frame = frame;
    this.#view = view;
  }

  /**
   * @param onChange the window was moved, resized, closed, or got or lost the focus
   * @throws NOT_FOUND if there is no such window
   */
  static async start(x: XConnection, window: number, onChange: () => void): Promise<WindowWatch> {
    const nothing: WindowView = {
      focused: false,
      elsewhere: true,
      origin: await windowOrigin(x, window),
      size: await windowSize(x, window),
      mask: 0,
    };
    const watch = new WindowWatch(x, window, await frameOf(x, window), nothing);
    selectEvents(x, window, EVENTS);
    x.onEvent(({ type }: XEvent) => {
      if (type >= FOCUS_IN && type <= CONFIGURE_NOTIFY) onChange();
    });
    await watch.look();
    return watch;
  }

  /** What the last look saw. */
  get view(): WindowView {
    return this.#view;
  }

  /** @throws NOT_FOUND if the window has been closed */
  async look(): Promise<WindowView> {
    const x = this.#x;
    const [focus, pointer, origin, size] = await Promise.all([
      inputFocus(x),
      queryPointer(x),
      windowOrigin(x, this.#window),
      windowSize(x, this.#window),
    ]);
    if (pointer.window !== this.#frame) this.#frame = await frameOf(x, this.#window);
    const elsewhere = pointer.window !== this.#frame;
    const focused = focus === WHERE_THE_POINTER_IS ? !elsewhere : await this.#isOurs(focus);
    this.#view = { focused, elsewhere, origin, size, mask: pointer.mask };
    return this.#view;
  }

  /** A look after a button was pressed, which may give the window the focus. */
  async lookAfterPress(): Promise<WindowView> {
    const end = performance.now() + FOCUS_GRACE_MS;
    for (;;) {
      const view = await this.look();
      if (view.focused || view.elsewhere || performance.now() >= end) return view;
      await delay(10);
    }
  }

  /** The focus may be in a part of the window. */
  async #isOurs(focus: number): Promise<boolean> {
    if (focus === NOWHERE) return false;
    if (focus === this.#window) return true;
    if (this.#focus.window !== focus)
      try {
        this.#focus = { window: focus, ours: (await ancestry(this.#x, focus)).includes(this.#window) };
      } catch (error) {
        // That one has just been closed.
        if (error instanceof HomewardError && error.code === "NOT_FOUND") return false;
        throw error;
      }
    return this.#focus.ours;
  }
}
