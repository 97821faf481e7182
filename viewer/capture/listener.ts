import { HomewardError, toHomewardError } from "../../common/errors.ts";
import { UNNAMED_KEYS, xKeycode } from "../keys.ts";
import type { CaptureBegin, WindowInputEvent } from "../messages.ts";
import type { XConnection } from "../x11/connection.ts";
import { keyboardMapping, keysDown } from "../x11/requests.ts";
import type { Heard } from "./heard.ts";
import { WindowInput } from "./window-input.ts";
import { WindowWatch } from "./window-watch.ts";

/** What has been done and not been looked at yet; a person does not get this far ahead. */
const MAX_QUEUED = 4096;

type Queued = Heard | { readonly kind: "look" };

function windowClosed(thrown: unknown): HomewardError {
  const error = toHomewardError(thrown);
  return error.code === "NOT_FOUND" ? new HomewardError("NOT_FOUND", "the window has been closed") : error;
}

/** Takes what is done on a display, one thing after the other, and says what of it concerns one window. */
export class WindowListener {
  readonly #x: XConnection;
  readonly #input: WindowInput;
  readonly #onEnd: (error: HomewardError) => void;
  readonly #queue: Queued[] = [];
  #watch: WindowWatch | undefined;
  #busy = false;
  #ended = false;

  private constructor(x: XConnection, input: WindowInput, onEnd: (error: HomewardError) => void) {
    this.#x = x;
    this.#input = input;
    this.#onEnd = onEnd;
  }

  /**
   * @param emit input of the guest, as it comes
   * @param onEnd nothing more will come: the window was closed, the display is gone, or too much is done on it
   * @throws NOT_FOUND if there is no such window
   */
  static async start(
    { window, layout, screen }: CaptureBegin,
    x: XConnection,
    emit: (event: WindowInputEvent) => void,
    onEnd: (error: HomewardError) => void,
  ): Promise<WindowListener> {
    const listener = new WindowListener(x, new WindowInput(layout, screen, await keyboardMapping(x), emit), onEnd);
    listener.#watch = await WindowWatch.start(x, window, () => {
      listener.hear({ kind: "look" });
    });
    return listener;
  }

  setScreen(screen: CaptureBegin["screen"]): void {
    this.#input.setScreen(screen);
  }

  #end(error: HomewardError): void {
    this.#ended = true;
    this.#queue.length = 0;
    this.#input.releaseAll();
    this.#onEnd(error);
  }

  /** Takes what was done, in its order. Only the newest of several motions in a row counts. */
  hear(heard: Queued): void {
    if (this.#ended) return;
    const last = this.#queue.at(-1);
    if (last?.kind === heard.kind && (heard.kind === "move" || heard.kind === "look")) this.#queue.pop();
    this.#queue.push(heard);
    if (this.#queue.length > MAX_QUEUED)
      this.#end(new HomewardError("TIMEOUT", "more was done on the display than can be looked at"));
    else if (!this.#busy) void this.#work();
  }

  async #work(): Promise<void> {
    this.#busy = true;
    try {
      for (let heard = this.#queue.shift(); heard !== undefined; heard = this.#queue.shift()) await this.#handle(heard);
    } catch (error) {
      if (!this.#ended) this.#end(windowClosed(error));
    } finally {
      this.#busy = false;
    }
  }

  async #handle(heard: Queued): Promise<void> {
    const watch = this.#watch;
    if (watch === undefined) return;
    const pressed = heard.kind === "button" && heard.down;
    const looks = pressed || heard.kind === "look" || heard.kind === "wheel" || ("down" in heard && heard.down);
    if (pressed) await watch.lookAfterPress();
    else if (looks) await watch.look();
    if (looks && !watch.view.focused) this.#input.releaseAll();
    if (heard.kind === "unnamed") await this.#unnamed(heard, watch);
    else if (heard.kind !== "look") this.#input.input(heard, watch.view);
  }

  /** Asks the display which of the keys without a name it is. */
  async #unnamed({ down, shift }: Heard & { kind: "unnamed" }, watch: WindowWatch): Promise<void> {
    const codes = await keysDown(this.#x);
    const { held } = this.#input;
    for (const xt of UNNAMED_KEYS)
      if (codes.includes(xKeycode(xt)) === down && (down || held.includes(xt)))
        this.#input.input({ kind: "key", down, xt, shift }, watch.view);
  }
}
