import { HeadlessDisplay } from "../headless-display.ts";
import { openViewer } from "../viewer-window.ts";
import { WindowSink } from "./window-sink.ts";

/** The guest's screen, as RfbClient has it. */
export interface GuestScreen {
  readonly width: number;
  readonly height: number;
  onUpdate(callback: () => void): () => void;
}

/** A viewer of a guest on a headless display, and hands that type and click in its window. */
export class ViewerHands {
  readonly #display: HeadlessDisplay;
  readonly #sink: WindowSink;
  readonly #unsubscribe: () => void;
  readonly #failed: AbortSignal;

  private constructor(display: HeadlessDisplay, sink: WindowSink, unsubscribe: () => void, failed: AbortSignal) {
    this.#display = display;
    this.#sink = sink;
    this.#unsubscribe = unsubscribe;
    this.#failed = failed;
  }

  /**
   * @param socket of the guest's VNC server
   * @throws ENVIRONMENT if Xvfb, TigerVNC or robotjs is missing, TIMEOUT
   */
  static async open(socket: string, guest: GuestScreen): Promise<ViewerHands> {
    const failed = new AbortController();
    const display = await HeadlessDisplay.start();
    try {
      let { width, height } = guest;
      const { id } = await openViewer(display, socket, { width, height });
      const sink = await WindowSink.start({
        env: display.env,
        window: id,
        layout: { scale: "none", top: 0 },
        screen: { width, height },
        onEnd: (error) => {
          failed.abort(error);
        },
      });
      const unsubscribe = guest.onUpdate(() => {
        if (guest.width === width && guest.height === height) return;
        ({ width, height } = guest);
        sink.setScreen({ width, height });
      });
      return new ViewerHands(display, sink, unsubscribe, failed.signal);
    } catch (error) {
      await display.stop();
      throw error;
    }
  }

  /** Fires, with why, when nothing gets there any more. */
  get failed(): AbortSignal {
    return this.#failed;
  }

  key(down: boolean, keysym: number, keycode: number): void {
    this.#sink.key(down, keysym, keycode);
  }

  pointer(x: number, y: number, buttons: number): void {
    this.#sink.pointer(x, y, buttons);
  }

  /** Ends the viewer and its display. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.#sink.stop();
    await this.#display.stop();
  }
}
