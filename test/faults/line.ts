import { rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { delay } from "../../common/abort.ts";
import { FrameParser, frameHeader, type Frame, type FrameName } from "../../protocol/wire.ts";
import type { Sender } from "../e2e/frame-relay.ts";

/** Bytes that pass before a slow line makes a pause. */
const PIECE_BYTES = 2048;

interface Connection {
  readonly caller: Socket;
  readonly answerer: Socket;
  /** What is kept back of a connection whose caller is gone; null while it passes on. */
  late: Buffer[] | null;
}

export interface Damage {
  readonly frame: FrameName;
  /** Share of the frame's length, header included, at which the bit is. */
  readonly at: number;
  readonly bit: number;
}

/** A line between two unix sockets that breaks in all the ways in which lines break. */
export class Line {
  readonly #server: Server;
  readonly #path: string;
  readonly #target: string;
  readonly #connections = new Set<Connection>();
  #stalled: Promise<unknown> = Promise.resolve();
  /** Bytes a second, of both directions; null for no limit. */
  rate: number | null = null;
  /** The connections are cut once so many more bytes have passed. */
  cutAfter: number | null = null;
  /** Each is done once, to the first frame of its kind. */
  damages: Damage[] = [];
  /** The last offer that passed. */
  offer: Buffer | null = null;

  private constructor(path: string, target: string) {
    this.#path = path;
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true }, (caller) => {
      this.#serve(caller);
    });
  }

  static async listen(path: string, target: string): Promise<Line> {
    const line = new Line(path, target);
    await new Promise<void>((resolve) => line.#server.listen(path, resolve));
    return line;
  }

  #serve(caller: Socket): void {
    const answerer = connect({ path: this.#target, allowHalfOpen: true });
    const connection: Connection = { caller, answerer, late: null };
    this.#connections.add(connection);
    const end = (): void => {
      if (connection.late !== null) return;
      this.#connections.delete(connection);
      caller.destroy();
      answerer.destroy();
    };
    caller.on("error", end);
    answerer.on("error", end);
    void this.#forward(connection, "caller").catch(end);
    void this.#forward(connection, "answerer").catch(end);
    let open = 2;
    for (const socket of [caller, answerer])
      socket.on("close", () => {
        if (--open === 0) this.#connections.delete(connection);
      });
  }

  async #forward(connection: Connection, sender: Sender): Promise<void> {
    const [from, to] =
      sender === "caller" ? [connection.caller, connection.answerer] : [connection.answerer, connection.caller];
    const parser = new FrameParser();
    for await (const chunk of from as AsyncIterable<Buffer>)
      for (const frame of parser.push(chunk)) await this.#pass(connection, to, this.#bytesOf(frame));
    to.end();
  }

  #bytesOf({ name, payload }: Frame): Buffer {
    const bytes = Buffer.concat([frameHeader(name, payload.length), payload]);
    if (name === "offer") this.offer = Buffer.from(bytes);
    const damage = this.damages.find(({ frame }) => frame === name);
    if (damage !== undefined) {
      this.damages = this.damages.filter((one) => one !== damage);
      const at = Math.floor(damage.at * bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << damage.bit);
    }
    return bytes;
  }

  async #pass(connection: Connection, to: Socket, bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      await this.#stalled;
      if (to === connection.answerer && connection.late !== null) {
        connection.late.push(bytes.subarray(at));
        return;
      }
      const wanted = Math.min(bytes.length - at, this.rate === null ? bytes.length : PIECE_BYTES, this.cutAfter ?? Infinity);
      const piece = bytes.subarray(at, at + wanted);
      if (this.cutAfter !== null) this.cutAfter -= wanted;
      at += wanted;
      if (wanted > 0 && !to.write(piece)) await Promise.race([drained(to), delay(1000)]);
      if (this.rate !== null) await delay((wanted / this.rate) * 1000);
      if (this.cutAfter === 0) this.cut();
    }
  }

  /** Cuts every connection now. */
  cut(): void {
    this.cutAfter = null;
    for (const { caller, answerer } of this.#connections) {
      caller.destroy();
      answerer.destroy();
    }
  }

  /** Nothing passes until this time is over. */
  stall(ms: number): void {
    this.#stalled = delay(ms);
  }

  /**
   * The callers lose their connections after that time; the other ends do not hear of it and get what the callers sent
   * from now on only when the function that is returned is called.
   */
  async holdBack(ms: number): Promise<() => void> {
    const held = [...this.#connections];
    for (const connection of held) connection.late = [];
    await delay(ms);
    for (const { caller } of held) caller.destroy();
    return () => {
      for (const { answerer, late } of held) {
        for (const bytes of late ?? []) if (answerer.writable) answerer.write(bytes);
        answerer.end();
        setTimeout(() => answerer.destroy(), 2000).unref();
      }
    };
  }

  /** As it was before anything was done to it; connections stay. */
  mend(): void {
    this.rate = this.cutAfter = null;
    this.damages = [];
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#path, { force: true });
  }
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("drain", resolve);
    socket.once("close", resolve);
  });
}

/** A second connection, as if it came from that host: it greets, sends these frames and hangs up after a while. */
export async function secondSession(socketPath: string, greeting: Buffer, frames: Buffer, ms: number): Promise<void> {
  const socket = connect(socketPath);
  socket.on("error", () => undefined);
  socket.resume();
  socket.write(Buffer.concat([greeting, frames]));
  await delay(ms);
  socket.destroy();
}
