import { chmod, lstat, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import { MAX_SOCKET_PATH_BYTES } from "../control/control-server.ts";

/** Connections from other hosts at a time; each may be one migration. */
const MAX_CONNECTIONS = 16;

/** Takes connections from other hosts on a unix socket that only this user can open. */
export class PeerListener {
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  private constructor(accept: (stream: Duplex) => void) {
    this.#server = createServer((socket) => {
      this.#open.add(socket);
      socket.once("close", () => this.#open.delete(socket));
      socket.on("error", () => undefined);
      accept(socket);
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** @throws CONFLICT if something listens there already or the path is a file of another kind, ENVIRONMENT */
  static async listen(path: string, accept: (stream: Duplex) => void): Promise<PeerListener> {
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES)
      throw new HomewardError("ENVIRONMENT", `${path} is too long for a socket's path`);
    await removeStaleSocket(path);
    const listener = new PeerListener(accept);
    await new Promise<void>((resolve, reject) => {
      listener.#server.once("error", (cause) => {
        reject(new HomewardError("ENVIRONMENT", `cannot listen on ${path}`, { cause }));
      });
      listener.#server.listen(path, resolve);
    });
    await chmod(path, 0o600);
    return listener;
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }
}

/** A socket that nobody listens on any more, left behind by a service that was killed. */
async function removeStaleSocket(path: string): Promise<void> {
  try {
    const found = await lstat(path);
    if (!found.isSocket()) throw new HomewardError("CONFLICT", `${path} exists and is not a socket`);
  } catch (error) {
    if (toHomewardError(error).code === "NOT_FOUND") return;
    throw error;
  }
  const answered = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => {
      resolve(false);
    });
  });
  if (answered) throw new HomewardError("CONFLICT", `another service listens on ${path}`);
  await rm(path, { force: true });
}
