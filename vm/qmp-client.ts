import type { Duplex } from "node:stream";
import { abortable, abortReason, withTimeout } from "../common/abort.ts";
import { HomewardError, toHomewardError } from "../common/errors.ts";
import { isJsonObject, QmpStream, type JsonObject } from "./qmp-stream.ts";

export interface QmpEvent {
  readonly name: string;
  readonly data: JsonObject;
}

export interface ExecuteOptions {
  /** Default 10 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

interface Pending {
  readonly command: string;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

const COMMAND_TIMEOUT_MS = 10_000;

/** One connection to QEMU's machine protocol (QEMU docs/interop/qmp-spec). QEMU serves one client at a time. */
export class QmpClient {
  /** Resolves when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>;
  readonly #socket: Duplex;
  readonly #stream = new QmpStream();
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  readonly #greeted: Promise<void>;
  #onGreeting: (() => void) | undefined;
  #onClosed: () => void = () => undefined;
  #failure: HomewardError | undefined;
  #lastId = 0;

  /** Takes over a connected socket; use `QmpClient.open`. */
  constructor(socket: Duplex) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      this.#onClosed = resolve;
    });
    this.#greeted = new Promise((resolve) => {
      this.#onGreeting = resolve;
    });
    socket.on("data", (chunk: Buffer) => {
      this.#receive(chunk);
    });
    socket.on("error", (error: Error) => {
      this.#fail(new HomewardError("GUEST", "the connection to QEMU broke", { cause: error }));
    });
    socket.on("close", () => {
      this.#fail(new HomewardError("GUEST", "QEMU closed its connection"));
    });
  }

  /**
   * Greets QEMU on a connected socket and leaves the negotiation behind.
   * @throws TIMEOUT when QEMU says nothing (another client may hold its only connection), GUEST, CANCELLED
   */
  static async open(socket: Duplex, options: ExecuteOptions = {}): Promise<QmpClient> {
    const client = new QmpClient(socket);
    const { timeoutMs = COMMAND_TIMEOUT_MS, signal } = options;
    try {
      const greeted = Promise.race([client.#greeted, client.closed.then(() => client.#throwFailure())]);
      await withTimeout(abortable(greeted, signal), timeoutMs, "QEMU");
      await client.execute("qmp_capabilities", {}, options);
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /**
   * Runs one command and gives what it returns.
   * @throws GUEST with QEMU's own words if it refuses or goes away, TIMEOUT, CANCELLED; in the last two cases the command
   * may still take effect
   */
  execute(command: string, args: JsonObject = {}, options: ExecuteOptions = {}): Promise<unknown> {
    const { timeoutMs = COMMAND_TIMEOUT_MS, signal } = options;
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (signal?.aborted === true) return Promise.reject(abortReason(signal));
    const id = ++this.#lastId;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#pending.set(id, { command, resolve, reject });
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    });
    return withTimeout(abortable(answer, signal), timeoutMs, `QEMU's ${command}`).finally(() => {
      this.#pending.delete(id);
    });
  }

  /** Calls `listener` for every event; returns what ends that. */
  onEvent(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Drops the connection; QEMU goes on. */
  close(): void {
    this.#fail(new HomewardError("CANCELLED", "the connection to QEMU was closed"));
  }

  #throwFailure(): never {
    throw this.#failure ?? new HomewardError("GUEST", "QEMU closed its connection");
  }

  #receive(chunk: Buffer): void {
    if (this.#failure !== undefined) return;
    try {
      for (const message of this.#stream.push(chunk)) this.#dispatch(message);
    } catch (error) {
      this.#fail(toHomewardError(error));
    }
  }

  #dispatch(message: JsonObject): void {
    if (typeof message["event"] === "string") {
      const data = isJsonObject(message["data"]) ? message["data"] : {};
      for (const listener of [...this.#listeners]) listener({ name: message["event"], data });
    } else if ("QMP" in message) {
      this.#onGreeting?.();
    } else {
      this.#settle(message);
    }
  }

  #settle(message: JsonObject): void {
    const id = message["id"];
    // An answer that nobody waits for any more: its command was cancelled or took too long.
    const pending = typeof id === "number" ? this.#pending.get(id) : undefined;
    if (pending === undefined) return;
    if (!("error" in message)) {
      pending.resolve(message["return"]);
      return;
    }
    const error = isJsonObject(message["error"]) ? message["error"] : {};
    const text = typeof error["desc"] === "string" ? error["desc"].slice(0, 2000) : "no reason given";
    const data = { command: pending.command, class: error["class"] };
    pending.reject(new HomewardError("GUEST", `QEMU refused ${pending.command}: ${text}`, { data }));
  }

  #fail(error: HomewardError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#socket.destroy();
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
    this.#listeners.clear();
    this.#onClosed();
  }
}
