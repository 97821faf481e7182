import { sessionDisplay } from "../display.ts";
import { injectBeginSchema, injectCommandSchema, type InjectBegin, type InjectCommand, type InjectMessage } from "../messages.ts";
import { loadNative, serveParent } from "../native.ts";
import { ROBOT_MODIFIERS, robotKeyboard } from "../keys.ts";
import { XConnection } from "../x11/connection.ts";
import { changeKeyboardMapping, inputFocus, setInputFocus, setModifierMapping } from "../x11/requests.ts";
import { WindowHands } from "./window-hands.ts";

/**
 * The program that types and clicks in a viewer's window (robotjs), on a display that has nothing else on it; see
 * messages.ts. A process of its own: robotjs ends its process when there is no display.
 */
const parent = serveParent<InjectMessage>();

async function begin(message: InjectBegin): Promise<WindowHands> {
  const x = await XConnection.connect(sessionDisplay(process.env));
  void x.closed.then(parent.end);
  changeKeyboardMapping(x, robotKeyboard());
  await setModifierMapping(x, ROBOT_MODIFIERS);
  // There is no window manager that would do it.
  setInputFocus(x, message.window);
  // An answer means that what was said before has been done; robotjs reads the keyboard once.
  await inputFocus(x);
  const { default: robot } = await loadNative(() => import("robotjs"), "robotjs");
  robot.setKeyboardDelay(0);
  robot.setMouseDelay(0);
  const hands = await WindowHands.start(message, x, robot);
  parent.say({ type: "ready" });
  return hands;
}

let running: Promise<WindowHands> | undefined;
parent.listen(injectBeginSchema.or(injectCommandSchema), async (message: InjectBegin | InjectCommand) => {
  if ("window" in message) await (running ??= begin(message));
  else (await running)?.take(message);
});
