import { connect as connectSocket } from "node:net";
import { WebSocket, type RawData } from "ws";
import { withTimeout } from "../common/abort.ts";
import { HomewardError } from "../common/errors.ts";
import { connectionEnded, ControlCalls, type CallOptions } from "./control-calls.ts";
import {
  CONTROL_PATH,
  MAX_CONTROL_MESSAGE_BYTES,
  type ControlMethod,
  type ControlParams,
  type ControlResult,
} from "./control.ts";

export type { CallOptions } from "./control-calls.ts";

const CONNECT_TIMEOUT_MS = 10_000;

/** A connection to the service of this computer. */
export class ControlClient {
  readonly #socket: WebSocket;
  readonly #calls: ControlCalls;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.#calls = new ControlCalls((text) => {
      socket.send(text, (error) => {
        if (error instanceof Error) this.#calls.fail(connectionEnded(error));
      });
    });
    socket.on("message", (data) => {
      if (!this.#calls.receive(rawText(data))) socket.terminate();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#calls.fail(connectionEnded());
    });
  }

  /**
   * @param socketPath the service's control.sock
   * @param timeoutMs how long the service may take to answer
   * @throws ENVIRONMENT if no service listens there, TIMEOUT if it does not answer
   */
  static connect(socketPath: string, timeoutMs = CONNECT_TIMEOUT_MS): Promise<ControlClient> {
    const socket = new WebSocket(`ws://localhost${CONTROL_PATH}`, {
      createConnection: () => connectSocket(socketPath),
      maxPayload: MAX_CONTROL_MESSAGE_BYTES,
      perMessageDeflate: false,
    });
    const opened = new Promise<ControlClient>((resolve, reject) => {
      socket.once("open", () => {
        resolve(new ControlClient(socket));
      });
      socket.once("error", (cause) => {
        reject(
          new HomewardError("ENVIRONMENT", "no Homeward service runs here", {
            cause,
            hint: `Start one with "homeward serve".`,
            data: { socket: socketPath },
          }),
        );
      });
    });
    return withTimeout(opened, timeoutMs, "the Homeward service").catch((error: unknown) => {
      socket.terminate();
      throw error;
    });
  }

  /** See ControlCalls.call. */
  call<M extends ControlMethod>(method: M, params: ControlParams<M>, options: CallOptions = {}): Promise<ControlResult<M>> {
    return this.#calls.call(method, params, options);
  }

  /** Ends the connection; calls that still run are cancelled by the service, except those it must finish. */
  close(): void {
    this.#socket.close();
    // A service that does not answer the closing handshake must not keep the program alive.
    setTimeout(() => {
      this.#socket.terminate();
    }, 1000).unref();
  }
}

/** Text of a WebSocket message, however ws hands it over. */
export function rawText(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString();
  return data instanceof ArrayBuffer ? Buffer.from(data).toString() : data.toString();
}
