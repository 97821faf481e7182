import { connect, type Socket } from "node:net";
import { withTimeout } from "../../common/abort.ts";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import { StepwiseParser, type ParseSteps } from "../../vm/rfb/stepwise-parser.ts";
import { parseDisplay, readCookie, type Authorization } from "./authority.ts";

/** What the server says of itself at the beginning. */
export interface XSetup {
  /** The root window of the first screen. */
  readonly root: number;
  readonly minKeycode: number;
  readonly maxKeycode: number;
}

/** An event as it came: 32 bytes, X11 protocol, appendix B. */
export interface XEvent {
  readonly type: number;
  readonly bytes: Buffer;
}

/** Errors BadWindow and BadDrawable. */
const NO_WINDOW: readonly number[] = [3, 9];
const CONNECT_TIMEOUT_MS = 10_000;
/** No answer to what is asked here is longer. */
const MAX_REPLY_BYTES = 1024 * 1024;
const MAX_WAITING = 1024;
const GENERIC_EVENT = 35;

interface Waiting {
  resolve(reply: Buffer): void;
  reject(error: HomewardError): void;
}

function pad4(bytes: number): number {
  return (bytes + 3) & ~3;
}

/** Little-endian, version 11.0, and the authorization. */
function hello({ name, data }: Authorization): Buffer {
  const message = Buffer.alloc(12 + pad4(name.length) + pad4(data.length));
  message.write("l", 0);
  message.writeUInt16LE(11, 2);
  message.writeUInt16LE(name.length, 6);
  message.writeUInt16LE(data.length, 8);
  name.copy(message, 12);
  data.copy(message, 12 + pad4(name.length));
  return message;
}

interface ServerSink {
  ready(setup: XSetup): void;
  reply(sequence: number, reply: Buffer): void;
  error(sequence: number, code: number): void;
  event(event: XEvent): void;
}

function* serverMessages(sink: ServerSink): ParseSteps {
  const head = yield 8;
  const status = head[0];
  const body = yield head.readUInt16LE(6) * 4;
  if (status !== 1) {
    const reason = body.toString("latin1", 0, Math.min(head[1] ?? 0, body.length)).trim();
    throw new HomewardError("ENVIRONMENT", `the X server does not let this program in: ${reason}`);
  }
  if (body.length < 32) throw broken();
  const screens = 32 + pad4(body.readUInt16LE(16)) + 8 * body.readUInt8(21);
  if (body.length < screens + 4) throw broken();
  sink.ready({ root: body.readUInt32LE(screens), minKeycode: body.readUInt8(26), maxKeycode: body.readUInt8(27) });
  for (;;) {
    // Copied, since replies outlive the chunk that they came in.
    const message = Buffer.from(yield 32);
    const type = message.readUInt8(0);
    const more = type === 1 || type === GENERIC_EVENT ? message.readUInt32LE(4) * 4 : 0;
    if (more > MAX_REPLY_BYTES) throw broken();
    const whole = more === 0 ? message : Buffer.concat([message, yield more]);
    if (type === 0) sink.error(message.readUInt16LE(2), message.readUInt8(1));
    else if (type === 1) sink.reply(message.readUInt16LE(2), whole);
    else sink.event({ type: type & 0x7f, bytes: whole });
  }
}

function broken(): HomewardError {
  return new HomewardError("ENVIRONMENT", "the X server does not keep to its protocol");
}

/** A connection to an X server that asks and listens; it draws nothing. */
export class XConnection {
  readonly setup: XSetup;
  readonly #socket: Socket;
  readonly #waiting: Map<number, Waiting>;
  readonly #listeners: Set<(event: XEvent) => void>;
  readonly #closed: Promise<HomewardError>;
  #sequence = 0;

  private constructor(
    socket: Socket,
    setup: XSetup,
    waiting: Map<number, Waiting>,
    listeners: Set<(event: XEvent) => void>,
    closed: Promise<HomewardError>,
  ) {
    this.#socket = socket;
    this.setup = setup;
    this.#waiting = waiting;
    this.#listeners = listeners;
    this.#closed = closed;
  }

  /**
   * @param name as in DISPLAY
   * @throws ENVIRONMENT if there is no such display or it lets nobody in, TIMEOUT, USAGE
   */
  static async connect(name: string, env: NodeJS.ProcessEnv = process.env): Promise<XConnection> {
    const display = parseDisplay(name);
    const authorization = await readCookie(display, env);
    const { host, number } = display;
    const socket = host === "" ? connect({ path: `/tmp/.X11-unix/X${number}` }) : connect({ host, port: 6000 + number });
    const waiting = new Map<number, Waiting>();
    const listeners = new Set<(event: XEvent) => void>();
    const closed = Promise.withResolvers<HomewardError>();
    const end = (error: HomewardError): void => {
      closed.resolve(error);
      for (const each of waiting.values()) each.reject(error);
      waiting.clear();
      socket.destroy();
    };
    const ready = new Promise<XConnection>((resolve, reject) => {
      const parser = new StepwiseParser(
        serverMessages({
          ready: (setup) => {
            resolve(new XConnection(socket, setup, waiting, listeners, closed.promise));
          },
          reply: (sequence, reply) => {
            waiting.get(sequence)?.resolve(reply);
            waiting.delete(sequence);
          },
          error: (sequence, code) => {
            const error = NO_WINDOW.includes(code)
              ? new HomewardError("NOT_FOUND", "there is no such window")
              : new HomewardError("ENVIRONMENT", `the X server refused a request (error ${code})`);
            waiting.get(sequence)?.reject(error);
            waiting.delete(sequence);
          },
          event: (event) => {
            for (const listener of listeners) listener(event);
          },
        }),
      );
      void closed.promise.then(reject);
      socket.on("connect", () => socket.write(hello(authorization)));
      socket.on("data", (chunk: Buffer) => {
        try {
          parser.push(chunk);
        } catch (error) {
          end(toHomewardError(error));
        }
      });
      socket.on("error", (cause) => {
        end(new HomewardError("ENVIRONMENT", `the X display ${name} cannot be reached`, { cause }));
      });
      socket.on("close", () => {
        end(new HomewardError("ENVIRONMENT", `the X display ${name} has gone`));
      });
    });
    return withTimeout(ready, CONNECT_TIMEOUT_MS, `the X display ${name}`).catch((error: unknown) => {
      socket.destroy();
      throw error;
    });
  }

  /** Resolves when the connection has ended, with why. */
  get closed(): Promise<HomewardError> {
    return this.#closed;
  }

  /** Sends a request that has an answer. @throws NOT_FOUND for a window that is not there, ENVIRONMENT */
  ask(request: Buffer): Promise<Buffer> {
    if (this.#waiting.size >= MAX_WAITING || this.#socket.destroyed)
      return Promise.reject(new HomewardError("ENVIRONMENT", "the X server does not answer"));
    const sequence = this.#send(request);
    return new Promise((resolve, reject) => {
      this.#waiting.set(sequence, { resolve, reject });
    });
  }

  /** Sends a request that has none; an error that it causes is not noticed. */
  tell(request: Buffer): void {
    this.#send(request);
  }

  /** @returns unsubscribe */
  onEvent(listener: (event: XEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  close(): void {
    this.#socket.destroy();
  }

  #send(request: Buffer): number {
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#socket.write(request);
    return this.#sequence;
  }
}
