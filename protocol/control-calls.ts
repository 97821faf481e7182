import { abortReason } from "../common/abort.ts";
import { HomewardError } from "../common/errors.ts";
import type { ProgressUpdate } from "../common/progress.ts";
import {
  controlMethods,
  fromWireError,
  MAX_CONTROL_MESSAGE_BYTES,
  serviceMessageSchema,
  type ClientMessage,
  type ControlMethod,
  type ControlParams,
  type ControlResult,
} from "./control.ts";

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

/** The calls of one connection to a service, whatever carries the messages: ws in Node, WebSocket in a browser. */
export class ControlCalls {
  readonly #send: (text: string) => void;
  readonly #pending = new Map<number, PendingCall>();
  #nextId = 1;

  /** @param send hands a message to the connection; a failure is told by `fail` */
  constructor(send: (text: string) => void) {
    this.#send = send;
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
      this.#post({ id, method, params });
    });
    const onAbort = (): void => {
      this.#post({ id, cancel: true });
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    return answer
      .then((result) => checkResult(method, result))
      .finally(() => {
        this.#pending.delete(id);
        signal?.removeEventListener("abort", onAbort);
      });
  }

  #post(message: ClientMessage): void {
    const text = JSON.stringify(message);
    if (new TextEncoder().encode(text).length > MAX_CONTROL_MESSAGE_BYTES)
      this.#pending.get(message.id)?.reject(new HomewardError("USAGE", "the parameters are too long"));
    else this.#send(text);
  }

  /** Takes a message of the service. @returns false for one that is none: the connection is to be ended */
  receive(text: string): boolean {
    const message = parseServiceMessage(text);
    if (message === null) {
      this.fail(
        new HomewardError("ENVIRONMENT", "the service answered with something this program does not understand", {
          hint: "The service is of another version: restart it.",
        }),
      );
      return false;
    }
    const call = this.#pending.get(message.id);
    if (call === undefined) return true;
    if ("progress" in message) call.onProgress?.(message.progress as ProgressUpdate);
    else if ("error" in message) call.reject(fromWireError(message.error));
    else call.resolve(message.result);
    return true;
  }

  /** The connection is no more: whatever still waits for an answer gets this error. */
  fail(error: HomewardError): void {
    for (const call of this.#pending.values()) call.reject(error);
    this.#pending.clear();
  }
}

/** What calls fail with whose connection ended before the answer. */
export function connectionEnded(cause?: Error): HomewardError {
  return new HomewardError("ENVIRONMENT", "the connection to the Homeward service ended", {
    hint: "The service stopped; its log is service.log in the state folder.",
    ...(cause === undefined ? {} : { cause }),
  });
}

/** @throws ENVIRONMENT if that is not what the method answers */
export function checkResult<M extends ControlMethod>(method: M, result: unknown): ControlResult<M> {
  const checked = controlMethods[method].result.safeParse(result);
  if (checked.success) return checked.data as ControlResult<M>;
  throw new HomewardError("ENVIRONMENT", `the service's answer to "${method}" is not of the expected form`, {
    cause: checked.error,
    hint: "The service is of another version: restart it.",
  });
}

/** Null if it is none. */
export function parseServiceMessage(text: string): ReturnType<typeof serviceMessageSchema.parse> | null {
  try {
    return serviceMessageSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
