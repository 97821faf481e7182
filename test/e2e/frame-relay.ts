import { rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { FrameParser, frameHeader, type FrameName } from "../../protocol/wire.ts";

/** Who sent the frame: the host that opened the connection, or the one that answers. */
export type Sender = "caller" | "answerer";

/** Something to do at one moment of an exchange, before that frame is handed on. */
export interface Trap {
  readonly from: Sender;
  readonly frame: FrameName;
  /** "cut" drops the frame and closes the connection both ways; bytes go out in the frame's place. */
  readonly then: (payload: Buffer) => Promise<"pass" | "cut" | Buffer>;
}

/** A unix socket that leads to another, looks at every frame, and can be made to do something exactly at one of them. */
export class FrameRelay {
  readonly #server: Server;
  readonly #target: string;
  readonly #path: string;
  readonly #sockets = new Set<Socket>();
  /** Bytes handed on since the last `reset`. */
  bytes = 0;
  trap: Trap | null = null;
  /** Takes connections in the place of the target. */
  impostor: ((caller: Socket) => void) | null = null;

  private constructor(path: string, target: string) {
    this.#path = path;
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#serve(socket);
    });
  }

  static async listen(path: string, target: string): Promise<FrameRelay> {
    const relay = new FrameRelay(path, target);
    await new Promise<void>((resolve) => relay.#server.listen(path, resolve));
    return relay;
  }

  #serve(caller: Socket): void {
    if (this.impostor !== null) {
      this.#sockets.add(caller);
      caller.on("error", () => caller.destroy());
      caller.on("close", () => this.#sockets.delete(caller));
      this.impostor(caller);
      return;
    }
    const answerer = connect({ path: this.#target, allowHalfOpen: true });
    const cut = (): void => {
      caller.destroy();
      answerer.destroy();
    };
    for (const socket of [caller, answerer]) {
      this.#sockets.add(socket);
      socket.on("error", cut);
      socket.on("close", () => this.#sockets.delete(socket));
    }
    void this.#forward("caller", caller, answerer).catch(cut);
    void this.#forward("answerer", answerer, caller).catch(cut);
  }

  async #forward(sender: Sender, from: Socket, to: Socket): Promise<void> {
    const parser = new FrameParser();
    for await (const chunk of from as AsyncIterable<Buffer>)
      for (const { name, payload } of parser.push(chunk)) {
        const { trap } = this;
        let instead: "pass" | Buffer = "pass";
        if (trap?.frame === name && trap.from === sender) {
          this.trap = null;
          const then = await trap.then(payload);
          if (then === "cut") throw new Error("cut");
          instead = then;
        }
        const bytes = instead !== "pass" ? instead : Buffer.concat([frameHeader(name, payload.length), payload]);
        this.bytes += bytes.length;
        if (!to.write(bytes)) await new Promise((resolve) => to.once("drain", resolve));
      }
    to.end();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#path, { force: true });
  }
}
