import type RFB from "@novnc/novnc";
import { signal, type ReadonlySignal } from "@preact/signals";
import { delay, throwIfAborted } from "../../../../common/abort.ts";
import { openConsole } from "../../control/service.ts";
import type { Key } from "./keys.ts";

const RETRY_MS = [250, 500, 1000, 2000] as const;

/** "connecting": for the first time; "again": it was lost, or could not be had. */
export type ViewerState = "connecting" | "connected" | "again";

/** What leaves the machine's screen by keyboard, which gets every other key while it has the focus. */
function leavesScreen({ ctrlKey, altKey, shiftKey, code }: KeyboardEvent): boolean {
  return ctrlKey && altKey && shiftKey && code === "F11";
}

/** The screen of a machine in an element, by noVNC; connects again until it is closed. */
export class Viewer {
  readonly #element: HTMLElement;
  readonly #workspace: string;
  readonly #label: string;
  readonly #onLeave: () => void;
  readonly #end = new AbortController();
  readonly #state = signal<ViewerState>("connecting");
  #rfb: RFB | null = null;
  #fits = true;

  /** @param label what screen readers call it @param onLeave where the focus goes when the keyboard leaves the screen */
  constructor(element: HTMLElement, workspace: string, label: string, onLeave: () => void) {
    this.#element = element;
    this.#workspace = workspace;
    this.#label = label;
    this.#onLeave = onLeave;
    const { signal: closed } = this.#end;
    element.addEventListener(
      "keydown",
      (event) => {
        if (!leavesScreen(event)) return;
        event.preventDefault();
        event.stopPropagation();
        this.#onLeave();
      },
      { capture: true, signal: closed },
    );
    // noVNC lets go of keys when the window loses the focus; another part of the page, or another tab, must do as well.
    const letGo = (): void => {
      window.dispatchEvent(new Event("blur"));
    };
    element.addEventListener("focusout", letGo, { signal: closed });
    document.addEventListener("visibilitychange", letGo, { signal: closed });
    this.#keepConnected().catch(() => undefined);
  }

  get state(): ReadonlySignal<ViewerState> {
    return this.#state;
  }

  /** Whether the whole screen is shown, scaled, or every pixel as it is. */
  set fits(fits: boolean) {
    this.#fits = fits;
    if (this.#rfb !== null) this.#rfb.scaleViewport = fits;
  }

  readonly sendKey = ({ keysym, code }: Key, down: boolean): void => {
    this.#rfb?.sendKey(keysym, code, down);
  };

  focus(): void {
    this.#rfb?.focus();
  }

  /** The service releases what a viewer holds that goes. */
  close(): void {
    this.#end.abort();
    this.#rfb?.disconnect();
  }

  async #keepConnected(): Promise<void> {
    const { signal: closed } = this.#end;
    const { default: Rfb } = await import("@novnc/novnc");
    throwIfAborted(closed);
    for (let failures = 0; ; failures++) {
      if (await this.#connection(Rfb)) failures = 0;
      throwIfAborted(closed);
      this.#state.value = "again";
      await delay(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 0, closed);
    }
  }

  /** One connection until its end. @returns whether the screen was seen */
  async #connection(Rfb: typeof RFB): Promise<boolean> {
    const rfb = new Rfb(this.#element, openConsole(this.#workspace), { shared: true });
    this.#rfb = rfb;
    rfb.background = "transparent";
    rfb.scaleViewport = this.#fits;
    const canvas = this.#element.querySelector("canvas");
    canvas?.setAttribute("role", "application");
    canvas?.setAttribute("aria-label", this.#label);
    if (canvas !== null) canvas.tabIndex = 0;
    let seen = false;
    rfb.addEventListener("connect", () => {
      seen = true;
      this.#state.value = "connected";
      if (document.activeElement === document.body || document.activeElement?.id === "main") rfb.focus();
    });
    await new Promise<void>((resolve) => {
      rfb.addEventListener("disconnect", () => {
        resolve();
      });
    });
    this.#rfb = null;
    return seen;
  }
}
