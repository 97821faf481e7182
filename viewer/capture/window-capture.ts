import { join } from "node:path";
import { withTimeout } from "../../common/abort.ts";
import type { HomewardError } from "../../common/errors.ts";
import { ChildProgram } from "../child.ts";
import { captureMessageSchema, type CaptureBegin, type CaptureMessage, type EndMessage, type WindowInputEvent } from "../messages.ts";

const PROGRAM = join(import.meta.dirname, "main.ts");
const START_TIMEOUT_MS = 30_000;

export interface WindowCaptureOptions extends CaptureBegin {
  /** Names the display: DISPLAY, XAUTHORITY. */
  readonly env: NodeJS.ProcessEnv;
  /** Input of the guest, as the user does it in the window. */
  readonly onInput: (event: WindowInputEvent) => void;
  /** Nothing more will come: NOT_FOUND when the window was closed. What is held has been released before. */
  readonly onEnd: (error: HomewardError) => void;
}

/** Listens to what is done in one window of an X display, whoever's it is. */
export class WindowCapture {
  readonly #child: ChildProgram<Exclude<CaptureMessage, EndMessage>>;

  private constructor(child: ChildProgram<Exclude<CaptureMessage, EndMessage>>) {
    this.#child = child;
  }

  /** Resolves when it listens. @throws NOT_FOUND if there is no such window, ENVIRONMENT, TIMEOUT */
  static async start(options: WindowCaptureOptions): Promise<WindowCapture> {
    const { env, window, layout, screen, onInput, onEnd } = options;
    const ready = Promise.withResolvers<undefined>();
    let listening = false;
    const child = await ChildProgram.start<Exclude<CaptureMessage, EndMessage>>({
      program: PROGRAM,
      env,
      schema: captureMessageSchema,
      onMessage: (message) => {
        if (message.type === "ready") {
          listening = true;
          ready.resolve(undefined);
        } else onInput(message);
      },
      onEnd: (error) => {
        if (listening) onEnd(error);
        else ready.reject(error);
      },
    });
    child.send({ window, layout, screen } satisfies CaptureBegin);
    try {
      await withTimeout(ready.promise, START_TIMEOUT_MS, "the X display");
    } catch (error) {
      await child.stop();
      throw error;
    }
    return new WindowCapture(child);
  }

  /** The guest has another screen mode, so its pixels lie elsewhere in the window. */
  setScreen(screen: CaptureBegin["screen"]): void {
    this.#child.send({ screen });
  }

  /** Stops listening. What is held down is not released. */
  stop(): Promise<void> {
    return this.#child.stop();
  }
}
