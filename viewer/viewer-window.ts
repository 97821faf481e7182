import { delay } from "../common/abort.ts";
import { HomewardError } from "../common/errors.ts";
import type { HeadlessDisplay } from "./headless-display.ts";
import { XConnection } from "./x11/connection.ts";
import type { Size } from "./x11/requests.ts";
import { listWindows, type WindowInfo } from "./x11/windows.ts";

const OPEN_TIMEOUT_MS = 30_000;
const LOOK_EVERY_MS = 50;

/**
 * What TigerVNC's viewer is told: keep every key for the guest, leave its screen mode alone, say nothing and end when the
 * connection does.
 */
const ARGUMENTS = [
  "-Shared=1",
  "-RemoteResize=0",
  "-MenuKey=",
  "-AcceptClipboard=0",
  "-SendClipboard=0",
  "-SetPrimary=0",
  "-SendPrimary=0",
  "-AlertOnFatalError=0",
  "-ReconnectOnError=0",
];

/**
 * Opens a VNC viewer (TigerVNC) on a display and waits for its window, as large as the guest's screen.
 * @param socket of the VNC server
 * @throws TIMEOUT if no such window comes
 */
export async function openViewer(display: HeadlessDisplay, socket: string, screen: Size): Promise<WindowInfo> {
  const x = await XConnection.connect(display.name, display.env);
  try {
    const before = new Set((await listWindows(x)).map(({ id }) => id));
    await display.run("xtigervncviewer", [...ARGUMENTS, socket]);
    const end = performance.now() + OPEN_TIMEOUT_MS;
    while (performance.now() < end) {
      const window = (await listWindows(x)).find(
        ({ id, width, height }) => !before.has(id) && width === screen.width && height === screen.height,
      );
      if (window !== undefined) return window;
      await delay(LOOK_EVERY_MS);
    }
  } finally {
    x.close();
  }
  throw new HomewardError("TIMEOUT", "the viewer did not open its window");
}
