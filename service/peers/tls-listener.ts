import type { AddressInfo, Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { rm } from "node:fs/promises";
import { HomewardError } from "../../common/errors.ts";
import { formatPeerAddress, type PeerAddress } from "../../protocol/peer-address.ts";
import type { Identity } from "./identity.ts";
import { certifiedId, tlsOptions } from "./tls.ts";

/** Connections of paired hosts at a time; each may be one migration. */
const MAX_CONNECTIONS = 16;
/** Connections that have not shown a certificate yet; one more ends the oldest. */
const MAX_HALF_OPEN = 16;
const HANDSHAKE_MS = 10_000;

export interface TlsListenerOptions {
  /** Or a socket in a private folder, for what comes through ssh. */
  readonly address: PeerAddress | { readonly path: string };
  readonly identity: Identity;
  /** Whether the host with this ID is served. Called after its handshake, before anything is read from it. */
  readonly admit: (id: string, socket: TLSSocket, from: string) => boolean;
  readonly handshakeMs?: number;
}

/** Takes connections from other hosts over TLS. Those that `admit` refuses are closed before a byte of them is read. */
export class TlsListener {
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  /** Oldest first, by the address they come from. */
  readonly #halfOpen = new Map<string, Socket>();

  private constructor({ identity, admit, handshakeMs = HANDSHAKE_MS }: TlsListenerOptions) {
    this.#server = createServer({ ...tlsOptions(identity), handshakeTimeout: handshakeMs });
    this.#server.on("connection", (socket: Socket) => {
      this.#begin(socket);
    });
    this.#server.on("secureConnection", (socket) => {
      socket.on("error", () => undefined);
      this.#halfOpen.delete(origin(socket));
      const id = certifiedId(socket);
      const isFull = this.#open.size - this.#halfOpen.size > MAX_CONNECTIONS;
      if (id === null || isFull || !admit(id, socket, origin(socket))) socket.destroy();
      else socket.setNoDelay(true);
    });
    this.#server.on("tlsClientError", (_error, socket) => {
      socket.destroy();
    });
  }

  /** @throws ENVIRONMENT if the address cannot be listened on */
  static async listen(options: TlsListenerOptions): Promise<TlsListener> {
    const { address } = options;
    const listener = new TlsListener(options);
    // What an earlier service left: whoever has the folder has its sockets.
    if ("path" in address) await rm(address.path, { force: true });
    await new Promise<void>((resolve, reject) => {
      listener.#server.once("error", (cause) => {
        reject(new HomewardError("ENVIRONMENT", `cannot listen on ${"path" in address ? address.path : formatPeerAddress(address)}`, { cause }));
      });
      listener.#server.listen(address, resolve);
    });
    return listener;
  }

  /** HOST:PORT, with the port that the system chose if that was left to it; or the socket's path. */
  get address(): string {
    const place = this.#server.address() as AddressInfo | string;
    if (typeof place === "string") return place;
    const { address, port } = place;
    return formatPeerAddress({ host: address, port });
  }

  #begin(socket: Socket): void {
    const key = origin(socket);
    this.#open.add(socket);
    this.#halfOpen.set(key, socket);
    socket.on("error", () => undefined);
    socket.once("close", () => {
      this.#open.delete(socket);
      if (this.#halfOpen.get(key) === socket) this.#halfOpen.delete(key);
    });
    const [oldest] = this.#halfOpen.values();
    if (this.#halfOpen.size > MAX_HALF_OPEN) oldest?.destroy();
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

/** Through a socket everybody comes from the same place. */
function origin({ remoteAddress, remotePort = 0 }: Socket): string {
  if (remoteAddress === undefined) return "ssh";
  return formatPeerAddress({ host: remoteAddress, port: remotePort });
}
