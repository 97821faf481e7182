import { sessionDisplay } from "../display.ts";
import { captureBeginSchema, captureCommandSchema, type CaptureBegin, type CaptureMessage } from "../messages.ts";
import { loadNative, serveParent } from "../native.ts";
import { XConnection } from "../x11/connection.ts";
import { firstOutput } from "../x11/requests.ts";
import { heardFrom, type HookEvent } from "./heard.ts";
import { WindowListener } from "./listener.ts";

/**
 * The program that listens to a display (uiohook-napi) and says what is done in one window of it; see messages.ts. A process
 * of its own: libuiohook ends its process when the display goes away.
 */
const parent = serveParent<CaptureMessage>();

async function begin(message: CaptureBegin): Promise<WindowListener> {
  const x = await XConnection.connect(sessionDisplay(process.env));
  void x.closed.then(parent.end);
  const listener = await WindowListener.start(message, x, parent.say, parent.end);
  const offset = (await firstOutput(x)) ?? { x: 0, y: 0 };
  const { uIOhook } = await loadNative(() => import("uiohook-napi"), "uiohook-napi");
  uIOhook.on("input", (event: HookEvent) => {
    const heard = heardFrom(event, offset);
    if (heard !== null) listener.hear(heard);
  });
  uIOhook.start();
  parent.say({ type: "ready" });
  return listener;
}

let running: Promise<WindowListener> | undefined;
parent.listen(captureBeginSchema.or(captureCommandSchema), async (message) => {
  if ("window" in message) await (running ??= begin(message));
  else (await running)?.setScreen(message.screen);
});
