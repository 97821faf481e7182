import { chmod, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { Duplex } from "node:stream";
import type { Logger } from "pino";
import { WebSocketServer } from "ws";
import { HomewardError } from "../../common/errors.ts";
import { CONTROL_PATH, MAX_CONTROL_MESSAGE_BYTES } from "../../protocol/control.ts";
import { ControlConnection, type ControlHandlers } from "./connection.ts";

/** sun_path without its final zero, unix(7). */
export const MAX_SOCKET_PATH_BYTES = 107;

/** Serves the control API on a unix socket that only this user can open. */
export class ControlServer {
  readonly #http: Server;
  readonly #sockets: WebSocketServer;

  private constructor(http: Server, sockets: WebSocketServer) {
    this.#http = http;
    this.#sockets = sockets;
  }

  /**
   * @param path in a folder of mode 0700 that this process has locked: a socket found there is a dead one's and replaced
   * @throws ENVIRONMENT if the path is too long for a socket
   */
  static async listen(path: string, handlers: ControlHandlers, log: Logger): Promise<ControlServer> {
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES)
      throw new HomewardError("ENVIRONMENT", `${path} is too long for a socket's path`, {
        hint: `Use a --state folder with a path of at most ${MAX_SOCKET_PATH_BYTES - 13} bytes.`,
      });
    const sockets = new WebSocketServer({
      noServer: true,
      maxPayload: MAX_CONTROL_MESSAGE_BYTES,
      perMessageDeflate: false,
    });
    sockets.on("connection", (socket) => new ControlConnection(socket, handlers, log));
    const http = createServer((_request, response) => {
      response.writeHead(404, { "content-type": "text/plain" }).end("Homeward control socket\n");
    });
    http.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => {
      const refusal = refusalOf(request);
      if (refusal !== null) {
        stream.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\n\r\n`);
        return;
      }
      sockets.handleUpgrade(request, stream, head, (socket) => {
        sockets.emit("connection", socket, request);
      });
    });
    await rm(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      http.once("error", reject);
      http.listen(path, resolve);
    });
    await chmod(path, 0o600);
    return new ControlServer(http, sockets);
  }

  /** Stops listening and drops every client; their calls are cancelled, except those that must finish. */
  close(): Promise<void> {
    for (const client of this.#sockets.clients) client.close(1001, "the service stops");
    const done = new Promise<void>((resolve) => {
      this.#http.close(() => {
        resolve();
      });
    });
    // Clients get a moment to take the last answer.
    setTimeout(() => {
      for (const client of this.#sockets.clients) client.terminate();
      this.#http.closeAllConnections();
    }, 500).unref();
    return done;
  }
}

/** Web pages send an Origin and must never get in; our own clients send none. */
function refusalOf(request: IncomingMessage): string | null {
  if (request.headers.origin !== undefined) return "403 Forbidden";
  return request.url === CONTROL_PATH ? null : "404 Not Found";
}
