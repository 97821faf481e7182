import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { parsePeerAddress } from "../../protocol/peer-address.ts";
import type { TestHost } from "./migration-hosts.ts";

interface Connection {
  readonly caller: Socket;
  readonly answerer: Socket;
}

/** A TCP port that leads to another, counts what passes, and can be cut or get stuck after so many bytes. It sees only TLS. */
export class TcpRelay {
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  readonly address: string;
  /** Both ways, since it was last set. */
  bytes = 0;
  /** Every connection ends when `bytes` gets that far; then it is forgotten. What had come in is still handed to the answerer. */
  cutAt: number | null = null;
  #stick: { readonly at: number; readonly tell: () => void } | null = null;
  #isStuck = false;

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
      const connection = { caller, answerer: connect({ ...parsePeerAddress(address), allowHalfOpen: true }) };
      relay.#connections.add(connection);
      relay.#forward(connection.caller, connection.answerer, connection);
      relay.#forward(connection.answerer, connection.caller, connection);
    });
    return relay;
  }

  /** Resolves once `bytes` got that far. From then on nothing passes, and neither end is told. */
  stuckAt(bytes: number): Promise<void> {
    return new Promise((tell) => {
      this.#stick = { at: bytes, tell };
    });
  }

  #forward(from: Socket, to: Socket, connection: Connection): void {
    from.on("error", () => to.destroy());
    from.on("close", () => {
      this.#connections.delete(connection);
      to.destroy();
    });
    from.on("end", () => to.end());
    from.on("data", (chunk: Buffer) => {
      this.bytes += chunk.length;
      const takesMore = to.write(chunk);
      if (this.cutAt !== null && this.bytes >= this.cutAt) this.#cut();
      if (this.#stick !== null && this.bytes >= this.#stick.at) {
        this.#isStuck = true;
        this.#stick.tell();
        this.#stick = null;
      }
      if (this.#isStuck) from.pause();
      else if (!takesMore) {
        from.pause();
        to.once("drain", () => {
          if (!this.#isStuck) from.resume();
        });
      }
    });
  }

  #cut(): void {
    this.cutAt = null;
    for (const { caller, answerer } of this.#connections) {
      answerer.end();
      caller.removeAllListeners("close");
      caller.destroy();
    }
  }

  async close(): Promise<void> {
    for (const { caller, answerer } of this.#connections) {
      caller.destroy();
      answerer.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Two hosts that know each other, with all rights; what `near` sends to `far` passes the relay. */
export async function pairThroughRelay(near: TestHost, far: TestHost): Promise<TcpRelay> {
  const [ours, theirs] = await Promise.all([near.call("hosts", {}), far.call("hosts", {})]);
  const relay = await TcpRelay.to(String(theirs.listen));
  await near.call("pair", { id: theirs.id, address: relay.address, name: far.name });
  await far.call("pair", { id: ours.id, address: String(ours.listen), name: near.name });
  return relay;
}
