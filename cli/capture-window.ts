import { HomewardError, toHomewardError } from "../common/errors.ts";
import type { ControlClient } from "../protocol/control-client.ts";
import { MAX_CAPTURED_EVENTS, type CapturedEvent } from "../protocol/control.ts";
import { WindowCapture } from "../viewer/capture/window-capture.ts";
import type { Layout } from "../viewer/picture.ts";
import type { WindowInfo } from "../viewer/x11/windows.ts";
import type { Output } from "./output.ts";

export interface CaptureWindowOptions {
  readonly client: ControlClient;
  readonly workspace: string;
  readonly window: WindowInfo;
  readonly layout: Layout;
  /** Names the display. */
  readonly env: NodeJS.ProcessEnv;
  /** Ends it in good order. */
  readonly signal: AbortSignal;
  readonly output: Output;
}

export interface CaptureOutcome {
  readonly events: number;
  readonly ended: "stopped" | "window closed";
}

/** What the service has not taken yet. */
const MAX_WAITING = 8192;
/** The service says how large the guest's screen is whenever it is told something; at least this often, in milliseconds. */
const ASK_EVERY_MS = 1000;

/**
 * Brings what is done in a window to the service, until the signal fires or the window is closed.
 * @throws what the service says when it is over there, ENVIRONMENT if the display goes away, TIMEOUT
 */
export async function captureWindow(options: CaptureWindowOptions): Promise<CaptureOutcome> {
  const { client, workspace, window, layout, env, signal, output } = options;
  const stop = new AbortController();
  const waiting: CapturedEvent[] = [];
  let screen = { width: 0, height: 0 };
  let events = 0;
  let asking: Promise<void> | undefined;
  let capture: WindowCapture | undefined;
  const over = Promise.withResolvers<CaptureOutcome["ended"]>();
  const bring = async (): Promise<void> => {
    const batch = waiting.splice(0, MAX_CAPTURED_EVENTS);
    const answer = await client.call("captured", { workspace, events: batch });
    events += batch.length;
    output.update({ phase: answer.recording ? "capturing" : "paused", done: events, unit: "steps" });
    if (answer.screen === null || (answer.screen.width === screen.width && answer.screen.height === screen.height)) return;
    screen = answer.screen;
    capture?.setScreen(screen);
  };
  /** One call at a time, each with all that has come meanwhile. */
  const flush = (): Promise<void> =>
    (asking ??= (async () => {
      do await bring();
      while (waiting.length > 0);
    })().finally(() => {
      asking = undefined;
    }));
  const flushing = (): void => {
    flush().catch(over.reject);
  };
  const held = client.call("capture", { workspace }, { signal: stop.signal });
  held.catch(over.reject);
  const onAbort = (): void => {
    over.resolve("stopped");
  };
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  const timer = setInterval(flushing, ASK_EVERY_MS);
  try {
    await Promise.race([flush(), over.promise]);
    capture = await WindowCapture.start({
      env,
      window: window.id,
      layout,
      screen,
      onInput: (event) => {
        waiting.push(event);
        if (waiting.length > MAX_WAITING)
          over.reject(new HomewardError("TIMEOUT", "the service does not take what is done in the window"));
        else flushing();
      },
      onEnd: (error) => {
        if (error.code === "NOT_FOUND") over.resolve("window closed");
        else over.reject(error);
      },
    });
    output.note(`Recording what is done in "${window.title}"; Ctrl-C stops.`);
    const ended = await over.promise;
    await capture.stop();
    await flush();
    stop.abort();
    await held;
    return { events, ended };
  } catch (error) {
    // What the service says of the whole explains why single calls failed.
    stop.abort();
    throw toHomewardError(await held.then(() => error, (why: unknown) => why));
  } finally {
    clearInterval(timer);
    signal.removeEventListener("abort", onAbort);
    stop.abort();
    await held.catch(() => undefined);
    await capture?.stop();
  }
}
