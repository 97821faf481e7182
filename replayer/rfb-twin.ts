import type { Machine } from "../vm/machine-process.ts";
import type { RfbClient } from "../vm/rfb/rfb-client.ts";
import type { ReplayScreen } from "./gate.ts";
import type { ReplaySink } from "./pressed.ts";

/** The screen of a VNC server, as a replay looks at it. */
export function rfbScreen(client: RfbClient): ReplayScreen {
  return {
    get width() {
      return client.width;
    },
    get height() {
      return client.height;
    },
    lumaGrid: () => client.frame.lumaGrid(),
    onUpdate: (callback) => client.onUpdate(callback),
    wake: () => {
      client.wakeDisplay();
    },
  };
}

/** Sends replayed input to a VNC server, the way the recorded viewer sent it; power events go to the machine itself. */
export function rfbSink(client: RfbClient, machine: Pick<Machine, "reset" | "powerdown">): ReplaySink {
  return {
    key: (down, keysym, keycode) => {
      client.key(down, keysym, keycode);
    },
    pointer: (x, y, buttons) => {
      client.pointer(x, y, buttons);
    },
    power: (action) => (action === "host-reset" ? machine.reset() : machine.powerdown()),
  };
}
