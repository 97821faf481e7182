import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { parsePeerAddress } from "../../protocol/peer-address.ts";

/** A TCP port that leads to another, counts what passes, and can be cut after so many bytes. It sees only TLS. */
export class TcpRelay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly address: string;
  /** Both ways, since it was last set. */
  bytes = 0;
  /** Every connection ends when `bytes` gets that far; then it is forgotten. */
  cutAt: number | null = null;

  private constructor(server: Server) {
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    this.address = `127.0.0.1:${String(port)}`;
  }

  static async to(address: string): Promise<TcpRelay> {
    const server = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const relay = new TcpRelay(server);
    server.on("connection", (caller) => {
      const answerer = connect({ ...parsePeerAddress(address), allowHalfOpen: true });
      for (const [from, to] of [[caller, answerer], [answerer, caller]] as const) relay.#forward(from, to);
    });
    return relay;
  }

  #forward(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on("error", () => to.destroy());
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.on("end", () => to.end());
    from.on("data", (chunk: Buffer) => {
      this.bytes += chunk.length;
      if (this.cutAt !== null && this.bytes >= this.cutAt) {
        this.cutAt = null;
        for (const socket of this.#sockets) socket.destroy();
        return;
      }
      if (!to.write(chunk)) {
        from.pause();
        to.once("drain", () => from.resume());
      }
    });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
