import { join } from "node:path";
import { withTimeout } from "../../common/abort.ts";
import type { HomewardError } from "../../common/errors.ts";
import { ChildProgram } from "../child.ts";
import { injectMessageSchema, type EndMessage, type InjectBegin, type InjectCommand, type InjectMessage } from "../messages.ts";

const PROGRAM = join(import.meta.dirname, "main.ts");
const START_TIMEOUT_MS = 30_000;

export interface WindowSinkOptions extends InjectBegin {
  /** Names the display: DISPLAY, XAUTHORITY. Its keyboard is laid out anew. */
  readonly env: NodeJS.ProcessEnv;
  /** Nothing that is sent from now on gets there. */
  readonly onEnd: (error: HomewardError) => void;
}

/** Replayed input, typed and clicked in a viewer's window; the part of a ReplaySink that a viewer can do. */
export class WindowSink {
  readonly #child: ChildProgram<Exclude<InjectMessage, EndMessage>>;

  private constructor(child: ChildProgram<Exclude<InjectMessage, EndMessage>>) {
    this.#child = child;
  }

  /** Resolves when input can be sent. @throws NOT_FOUND if there is no such window, ENVIRONMENT, TIMEOUT */
  static async start({ env, onEnd, window, layout, screen }: WindowSinkOptions): Promise<WindowSink> {
    const ready = Promise.withResolvers<undefined>();
    let started = false;
    const child = await ChildProgram.start<Exclude<InjectMessage, EndMessage>>({
      program: PROGRAM,
      env,
      schema: injectMessageSchema,
      onMessage: () => {
        started = true;
        ready.resolve(undefined);
      },
      onEnd: (error) => {
        if (started) onEnd(error);
        else ready.reject(error);
      },
    });
    child.send({ window, layout, screen } satisfies InjectBegin);
    try {
      await withTimeout(ready.promise, START_TIMEOUT_MS, "the headless display");
    } catch (error) {
      await child.stop();
      throw error;
    }
    return new WindowSink(child);
  }

  key(down: boolean, keysym: number, keycode: number): void {
    this.#child.send({ type: "key", down, keysym, keycode: keycode & 0xff } satisfies InjectCommand);
  }

  pointer(x: number, y: number, buttons: number): void {
    this.#child.send({ type: "pointer", x, y, buttons } satisfies InjectCommand);
  }

  /** The guest has another screen mode. */
  setScreen(screen: InjectBegin["screen"]): void {
    this.#child.send({ type: "screen", screen } satisfies InjectCommand);
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }
}
