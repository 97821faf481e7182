import { connect as connectSocket } from "node:net";
import { WebSocket, type RawData } from "ws";
import { abortReason, withTimeout } from "../common/abort.ts";
import { HomewardError } from "../common/errors.ts";
import type { ProgressUpdate } from "../common/progress.ts";
import {
  controlMethods,
  CONTROL_PATH,
  fromWireError,
  MAX_CONTROL_MESSAGE_BYTES,
  serviceMessageSchema,
  type ClientMessage,
  type ControlMethod,
  type ControlParams,
  type ControlResult,
} from "./control.ts";

const CONNECT_TIMEOUT_MS = 10_000;

export interface CallOptions {
  /** Cancels the call in the service; the promise rejects once the service has stopped it. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (update: ProgressUpdate) => void;
}

interface PendingCall {
  readonly onProgress: ((update: ProgressUpdate) => void) | undefined;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A connection to the service of this computer. */
export class ControlClient {
  readonly #socket: WebSocket;
  readonly #pending = new Map<number, PendingCall>();
  #nextId = 1;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data) => {
      this.#receive(data);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#failAll(
        new HomewardError("ENVIRONMENT", "the connection to the Homeward service ended", {
          hint: "The service stopped; its log is service.log in the state folder.",
        }),
      );
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

  /** Calls a method of the service. @throws the service's own error; ENVIRONMENT when the connection ends before the answer */
  call<M extends ControlMethod>(
    method: M,
    params: ControlParams<M>,
    options: CallOptions = {},
  ): Promise<ControlResult<M>> {
    const { signal } = options;
    if (signal?.aborted === true) return Promise.reject(abortReason(signal));
    const id = this.#nextId++;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#pending.set(id, { onProgress: options.onProgress, resolve, reject });
      this.#send({ id, method, params });
    });
    const onAbort = (): void => {
      this.#send({ id, cancel: true });
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    return answer
      .then((result) => checkResult(method, result))
      .finally(() => {
        this.#pending.delete(id);
        signal?.removeEventListener("abort", onAbort);
      });
  }

  #send(message: ClientMessage): void {
    const text = JSON.stringify(message);
    if (Buffer.byteLength(text) > MAX_CONTROL_MESSAGE_BYTES) {
      this.#pending.get(message.id)?.reject(new HomewardError("USAGE", "the parameters are too long"));
      return;
    }
    this.#socket.send(text, (error) => {
      if (error instanceof Error)
        this.#pending
          .get(message.id)
          ?.reject(new HomewardError("ENVIRONMENT", "the connection to the Homeward service ended", { cause: error }));
    });
  }

  #receive(data: RawData): void {
    const message = parseServiceMessage(data);
    if (message === null) {
      this.#failAll(
        new HomewardError("ENVIRONMENT", "the service answered with something this program does not understand", {
          hint: "The service is of another version: restart it.",
        }),
      );
      this.#socket.terminate();
      return;
    }
    const call = this.#pending.get(message.id);
    if (call === undefined) return;
    if ("progress" in message) call.onProgress?.(message.progress as ProgressUpdate);
    else if ("error" in message) call.reject(fromWireError(message.error));
    else call.resolve(message.result);
  }

  #failAll(error: HomewardError): void {
    for (const call of this.#pending.values()) call.reject(error);
    this.#pending.clear();
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

function checkResult<M extends ControlMethod>(method: M, result: unknown): ControlResult<M> {
  const checked = controlMethods[method].result.safeParse(result);
  if (checked.success) return checked.data as ControlResult<M>;
  throw new HomewardError("ENVIRONMENT", `the service's answer to "${method}" is not of the expected form`, {
    cause: checked.error,
    hint: "The service is of another version: restart it.",
  });
}

function parseServiceMessage(data: RawData): ReturnType<typeof serviceMessageSchema.parse> | null {
  try {
    return serviceMessageSchema.parse(JSON.parse(rawText(data)));
  } catch {
    return null;
  }
}

/** Text of a WebSocket message, however ws hands it over. */
export function rawText(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString();
  return data instanceof ArrayBuffer ? Buffer.from(data).toString() : data.toString();
}
