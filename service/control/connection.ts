import type { Logger } from "pino";
import type { WebSocket } from "ws";
import { z } from "zod";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import type { Progress } from "../../common/progress.ts";
import { rawText } from "../../protocol/control-client.ts";
import {
  clientMessageSchema,
  controlMethods,
  FINISHED_WITHOUT_CLIENT,
  isControlMethod,
  MAX_CONTROL_MESSAGE_BYTES,
  MAX_RUNNING_CALLS,
  toWireError,
  type ClientMessage,
  type ControlMethod,
  type ControlParsedParams,
  type ControlResult,
  type ServiceMessage,
} from "../../protocol/control.ts";
import { ThrottledProgress } from "./throttled-progress.ts";

export interface CallContext {
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** One function for each method of the control API. */
export type ControlHandlers = {
  readonly [M in ControlMethod]: (params: ControlParsedParams<M>, call: CallContext) => Promise<ControlResult<M>>;
};

const PROGRESS_INTERVAL_MS = 100;
/** A client that reads this little of what it asked for is dropped. */
const MAX_UNREAD_BYTES = 8 * MAX_CONTROL_MESSAGE_BYTES;

export interface ConnectionOptions {
  /** Whether one more call may begin now; by default any may. */
  readonly admit?: () => boolean;
}

interface RunningCall {
  readonly method: string;
  readonly controller: AbortController;
}

/** One client of the control API: takes its messages apart, runs its calls, answers them. */
export class ControlConnection {
  readonly #socket: WebSocket;
  readonly #handlers: ControlHandlers;
  readonly #log: Logger;
  readonly #mayCall: () => boolean;
  readonly #calls = new Map<number, RunningCall>();

  constructor(socket: WebSocket, handlers: ControlHandlers, log: Logger, { admit = () => true }: ConnectionOptions = {}) {
    this.#socket = socket;
    this.#handlers = handlers;
    this.#log = log;
    this.#mayCall = admit;
    socket.on("message", (data) => {
      this.#receive(rawText(data));
    });
    socket.on("error", (error) => {
      log.debug({ err: error }, "control connection");
    });
    socket.on("close", () => {
      this.#cancelCalls();
    });
  }

  #cancelCalls(): void {
    for (const call of this.#calls.values())
      if (!FINISHED_WITHOUT_CLIENT.has(call.method))
        call.controller.abort(new HomewardError("CANCELLED", "stopped: the client has gone"));
  }

  #receive(text: string): void {
    let message: ClientMessage;
    try {
      message = clientMessageSchema.parse(JSON.parse(text));
    } catch {
      // Without an id there is nothing to answer to.
      this.#socket.close(1007, "not a control message");
      return;
    }
    if ("cancel" in message)
      this.#calls.get(message.id)?.controller.abort(new HomewardError("CANCELLED", "stopped"));
    else void this.#answer(message.id, message.method, message.params);
  }

  async #answer(id: number, method: string, params: unknown): Promise<void> {
    const controller = new AbortController();
    const progress = new ThrottledProgress(PROGRESS_INTERVAL_MS, (update) => {
      this.#send({ id, progress: update });
    });
    try {
      this.#admit(id);
      this.#calls.set(id, { method, controller });
      const result = await callMethod(this.#handlers, method, params, { signal: controller.signal, progress });
      progress.end();
      this.#send({ id, result });
    } catch (thrown) {
      const error = toHomewardError(thrown);
      progress.end();
      if (error.code === "INTERNAL") this.#log.error({ err: thrown, method }, "call failed");
      else this.#log.info({ code: error.code, message: error.message, method }, "call refused");
      this.#send({ id, error: toWireError(error) });
    } finally {
      if (this.#calls.get(id)?.controller === controller) this.#calls.delete(id);
    }
  }

  #admit(id: number): void {
    if (!this.#mayCall()) throw new HomewardError("USAGE", "too many calls in too short a time");
    if (this.#calls.has(id)) throw new HomewardError("USAGE", `call ${id} is still running`);
    if (this.#calls.size >= MAX_RUNNING_CALLS)
      throw new HomewardError("USAGE", `more than ${MAX_RUNNING_CALLS} calls at a time on one connection`);
  }

  #send(message: ServiceMessage): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount > MAX_UNREAD_BYTES) {
      this.#socket.terminate();
      return;
    }
    let text = JSON.stringify(message);
    if (Buffer.byteLength(text) > MAX_CONTROL_MESSAGE_BYTES)
      text = JSON.stringify({
        id: message.id,
        error: toWireError(new HomewardError("INTERNAL", "the answer is too long")),
      } satisfies ServiceMessage);
    this.#socket.send(text);
  }
}

/** Both directions are checked: what a client sends, and that an answer is what clients were promised. */
async function callMethod(
  handlers: ControlHandlers,
  method: string,
  params: unknown,
  call: CallContext,
): Promise<unknown> {
  if (!isControlMethod(method))
    throw new HomewardError("USAGE", `there is no method "${method}"`, {
      hint: "The program that asked is newer than the service: restart the service.",
    });
  const checked = controlMethods[method].params.safeParse(params);
  if (!checked.success) throw new HomewardError("USAGE", `${method}: ${z.prettifyError(checked.error)}`);
  // The method's own schema produced the params; TypeScript does not follow the link between the two records.
  const handler = handlers[method] as (params: unknown, call: CallContext) => Promise<unknown>;
  const answer = controlMethods[method].result.safeParse(await handler(checked.data, call));
  if (answer.success) return answer.data;
  throw new HomewardError("INTERNAL", `the answer to ${method} is malformed`, { cause: answer.error });
}
