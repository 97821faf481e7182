import { withTimeout } from "../common/abort.ts";
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

/** A guest that shuts down is waited for this long before the machine is turned on again. */
const SHUTDOWN_LIMIT_MS = 30_000;

type Power = Pick<Machine, "reset" | "powerdown" | "cont" | "status" | "on">;

/** Turns on a machine that stays there when its guest has switched it off; one that never gets there is reset. */
async function powerOn(machine: Power): Promise<void> {
  const off = Promise.withResolvers<undefined>();
  const stopListening = machine.on("stop", () => {
    off.resolve(undefined);
  });
  try {
    if ((await machine.status()) === "running")
      await withTimeout(off.promise, SHUTDOWN_LIMIT_MS, "the guest").catch(() => undefined);
  } finally {
    stopListening();
  }
  await machine.reset();
  await machine.cont();
}

/** Sends replayed input to a VNC server, the way the recorded viewer sent it; power events go to the machine itself. */
export function rfbSink(client: RfbClient, machine: Power): ReplaySink {
  return {
    key: (down, keysym, keycode) => {
      client.key(down, keysym, keycode);
    },
    pointer: (x, y, buttons) => {
      client.pointer(x, y, buttons);
    },
    power: (action) => {
      if (action === "host-powerdown") return machine.powerdown();
      return action === "host-reset" ? machine.reset() : powerOn(machine);
    },
  };
}
