import { Worker } from "node:worker_threads";
import { HomewardError, type ErrorCode } from "../common/errors.ts";
import type { LogKeyPlace } from "./log-keys.ts";

export interface StoredSegment {
  /** Counts from 0 within a generation, without gaps. */
  readonly seq: number;
  /** Length of `data`. */
  readonly bytes: number;
  /** Recorded time of the first and last event, milliseconds. */
  readonly firstMs: number;
  readonly lastMs: number;
  readonly events: number;
  /** What protocol/input-log.ts decodeSegment takes. */
  readonly data: Buffer;
}

export interface LogSummary {
  readonly segments: number;
  readonly bytes: number;
  readonly events: number;
  readonly firstMs: number;
  readonly lastMs: number;
  /** The number the next segment gets. */
  readonly nextSeq: number;
}

/** What the worker thread begins with. */
export interface LogStoreFiles {
  readonly path: string;
  readonly keyPlace: LogKeyPlace;
}

/** What the worker thread understands; see log-store-worker.ts. */
export type DatabaseRequest =
  | { readonly op: "append"; readonly generation: string; readonly segment: Omit<StoredSegment, "bytes"> }
  | { readonly op: "segments" | "summary" | "begin" | "truncate"; readonly generation: string };
export type LogStoreRequest = DatabaseRequest | { readonly op: "close" | "forget-all" };

export type LogStoreReply = { readonly id: number } & (
  | { readonly result: unknown }
  | { readonly code: ErrorCode; readonly message: string }
);

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/**
 * The stored input logs of one workspace: an SQLite file of segments by generation, each encrypted
 * with its generation's key, which is kept elsewhere. All of SQLite is in a worker thread,
 * because each commit waits for the disk and the event loop forwards the user's keystrokes meanwhile.
 */
export class LogStore {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;
  #failure: HomewardError | undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on("message", (reply: LogStoreReply) => {
      this.#settle(reply);
    });
    worker.on("error", (error) => {
      this.#fail(new HomewardError("INTERNAL", "the input log's writer failed", { cause: error }));
    });
    worker.on("exit", () => {
      this.#fail(new HomewardError("CONFLICT", "the input log is closed"));
    });
    // Only a request under way keeps the process alive.
    worker.unref();
  }

  /** Opens or makes the file (0600). That it cannot be used is said by the first call that needs it. */
  static open(dbPath: string, keyPlace: LogKeyPlace): LogStore {
    const workerData: LogStoreFiles = { path: dbPath, keyPlace };
    return new LogStore(new Worker(new URL("./log-store-worker.ts", import.meta.url), { workerData }));
  }

  /**
   * Resolves when the segment is on disk for good. A file that turns out to be damaged is put aside, as by `begin`.
   * @throws CONFLICT if that generation has a segment of that number already, NO_ROOM if the disk is full
   */
  async append(
    generationRoot: string,
    seq: number,
    segment: Buffer,
    firstMs: number,
    lastMs: number,
    events: number,
  ): Promise<void> {
    await this.#ask({
      op: "append",
      generation: generationRoot,
      segment: { seq, firstMs, lastMs, events, data: segment },
    });
  }

  /** All segments of a generation's log, in order; those that its key does not open are empty, which is DAMAGED to read. */
  async segments(generationRoot: string): Promise<StoredSegment[]> {
    const rows = (await this.#ask({ op: "segments", generation: generationRoot })) as Omit<StoredSegment, "bytes">[];
    return rows.map((row) => {
      const data = Buffer.from(row.data.buffer, row.data.byteOffset, row.data.byteLength);
      return { ...row, data, bytes: data.length };
    });
  }

  /** How much is stored for a generation, without reading it. */
  async summary(generationRoot: string): Promise<LogSummary> {
    return (await this.#ask({ op: "summary", generation: generationRoot })) as LogSummary;
  }

  /**
   * The summary, for whoever goes on recording. A file that is damaged is put aside ("….damaged") and a new one begun, in
   * which this generation's first segment is missing, so that nobody takes the rest for the whole.
   */
  async begin(generationRoot: string): Promise<LogSummary> {
    return (await this.#ask({ op: "begin", generation: generationRoot })) as LogSummary;
  }

  /** Forgets a generation's log for good: first its key, then what is in the file is overwritten. */
  async truncate(generationRoot: string): Promise<void> {
    await this.#ask({ op: "truncate", generation: generationRoot });
  }

  /** Forgets all logs of the workspace for good: their keys. The file is the caller's to remove. */
  async forgetAll(): Promise<void> {
    await this.#ask({ op: "forget-all" });
  }

  /** Closes the file after what was asked before is done. */
  async close(): Promise<void> {
    if (this.#failure !== undefined) return;
    const asked = this.#ask({ op: "close" });
    this.#failure = new HomewardError("CONFLICT", "the input log is closed");
    try {
      await asked;
    } finally {
      await this.#worker.terminate();
    }
  }

  #ask(request: LogStoreRequest): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage({ id, ...request });
    });
  }

  #settle(reply: LogStoreReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if ("result" in reply) waiting?.resolve(reply.result);
    else waiting?.reject(new HomewardError(reply.code, reply.message));
  }

  #fail(error: HomewardError): void {
    this.#failure ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(this.#failure);
    this.#waiting.clear();
  }
}
