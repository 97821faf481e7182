import { pipeline } from "node:stream/promises";
import type { Logger } from "pino";
import { createWebSocketStream, type WebSocket } from "ws";
import { connectUnix } from "../../vm/connect.ts";

/** As much of the screen waits for a page that does not read. */
const HIGH_WATER_BYTES = 1024 * 1024;

/**
 * Relays between a page's WebSocket and a console socket until either ends, as fast as the slower of the two: one that
 * does not read stops the other's sending.
 */
export async function bridgeConsole(socket: WebSocket, consoleSocket: string, log: Logger): Promise<void> {
  const page = createWebSocketStream(socket, { highWaterMark: HIGH_WATER_BYTES });
  // An error before the pipeline is there, while the console is being connected to, ends the page's side only.
  page.on("error", () => undefined);
  try {
    const console = await connectUnix(consoleSocket);
    await pipeline(page, console, page);
  } catch (error) {
    log.debug({ err: error }, "console of a page");
  } finally {
    page.destroy();
    socket.close(1000, "the console ended");
    setTimeout(() => {
      socket.terminate();
    }, 1000).unref();
  }
}
