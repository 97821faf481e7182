import { HomewardError } from "../../common/errors.ts";
import type { CapturedEvent, ControlResult } from "../../protocol/control.ts";
import type { CapturedInput } from "../../recorder/captured-input.ts";
import type { Workspace } from "./workspace.ts";

interface Capture {
  readonly input: CapturedInput;
  events: number;
}

/** The workspaces whose input is brought by a client that watches a viewer's window. */
export class Captures {
  readonly #byName = new Map<string, Capture>();

  /**
   * Lasts until `signal` fires, which ends it in good order.
   * @returns how many events were brought
   * @throws CONFLICT if it cannot begin, or why it is over
   */
  async hold(workspace: Workspace, signal: AbortSignal): Promise<ControlResult<"capture">> {
    const { running, name } = workspace;
    if (running === null)
      throw new HomewardError("CONFLICT", `${name} does not run`, { hint: `"homeward start ${name}" starts it.` });
    const over = Promise.withResolvers<undefined>();
    const capture: Capture = { input: running.capture(over.reject), events: 0 };
    const stop = (): void => {
      over.resolve(undefined);
    };
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    this.#byName.set(name, capture);
    try {
      await over.promise;
      return { events: capture.events };
    } finally {
      this.#byName.delete(name);
      signal.removeEventListener("abort", stop);
      capture.input.close();
    }
  }

  /** @throws CONFLICT if no capture of this workspace is under way */
  take({ running, name }: Workspace, events: readonly CapturedEvent[]): ControlResult<"captured"> {
    const capture = this.#byName.get(name);
    if (capture === undefined) throw new HomewardError("CONFLICT", `nobody captures what is done in ${name}`);
    for (const event of events)
      if (event.type === "key") capture.input.key(event.down, event.keysym, event.keycode);
      else capture.input.pointer(event.x, event.y, event.buttons);
    capture.events += events.length;
    return { screen: running?.screenSize ?? null, recording: running?.recording ?? false };
  }
}
