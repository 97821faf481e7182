import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { HomewardError } from "../common/errors.ts";
import type { BlockRange } from "../protocol/residual/limits.ts";
import { dataOf, type HashJob, type HashReply, type HashRequest } from "./hash-jobs.ts";
import { PageThread, type PageSeries } from "./page-model/page-thread.ts";
import type { Piece } from "./pieces.ts";

interface Job {
  readonly request: HashRequest;
  readonly resolve: (result: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly running: Map<number, Job>;
}

const MAX_THREADS = 4;
/** Megabytes of a worker's heap. It holds nothing but jobs; the blocks themselves lie outside of it. */
const HEAP = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 };
/** A second job waits in the worker, so that it never idles while a reply is on its way. */
const JOBS_PER_THREAD = 2;

/** Memory that may be moved to the worker instead of copied: that of data which owns all of it. */
function transferable(job: HashJob): ArrayBuffer[] {
  return dataOf(job).flatMap(({ buffer, byteLength }) =>
    buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [],
  );
}

/** Runs without what else the caller keeps with them: a message to a worker carries nothing else. */
function bare(runs: readonly BlockRange[]): BlockRange[] {
  return runs.map(({ block, count }) => ({ block, count }));
}

/** A worker's failure as an error that says what a user can make of it. */
function failure(error: { readonly message: string; readonly code: string | undefined }): HomewardError {
  const code = error.code === "ENOSPC" || error.code === "EDQUOT" ? "NO_ROOM" : "DAMAGED";
  return new HomewardError(code, `cannot read or write blocks: ${error.message}`, { data: error });
}

/**
 * Worker threads that read, compare, hash and write blocks, so that the event loop never waits for it. A piece given as data belongs
 * to the pool from then on (its memory moves to the worker).
 */
export class HashPool {
  readonly #threads: Thread[] = [];
  readonly #queue: Job[] = [];
  readonly #pages = new PageThread();
  #nextId = 0;
  #failure: HomewardError | undefined;

  static create(threads: number = Math.min(availableParallelism(), MAX_THREADS)): HashPool {
    const pool = new HashPool();
    for (let i = 0; i < threads; i++) pool.#start();
    return pool;
  }

  /** How many jobs are worth having under way at once. */
  get parallelism(): number {
    return this.#threads.length * JOBS_PER_THREAD;
  }

  /** One bit a block, lowest first: set where the two pieces of the same length differ. */
  differing(left: Piece, right: Piece): Promise<Uint8Array> {
    return this.#submit({ kind: "differing", left, right });
  }

  /** 8 bytes of SHA-1 a block; all zero for a zero block and for no other. */
  hashBlocks(piece: Piece): Promise<Uint8Array> {
    return this.#submit({ kind: "blocks", piece });
  }

  /** 32 bytes of SHA-256 for each 64 KiB of the piece; the last leaf may be short. */
  hashLeaves(piece: Piece): Promise<Uint8Array> {
    return this.#submit({ kind: "leaves", piece });
  }

  /** The blocks of an open file, run after run: far cheaper than a call for each run where the runs are short. */
  async read(fd: number, runs: readonly BlockRange[]): Promise<Buffer> {
    const data = await this.#submit({ kind: "read", fd, runs: bare(runs) });
    return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  }

  /** Writes blocks of an open file, run after run. `data` belongs to the pool from then on. */
  async write(fd: number, runs: readonly BlockRange[], data: Uint8Array): Promise<void> {
    await this.#submit({ kind: "write", fd, runs: bare(runs), data });
  }

  /** Pages that belong together, for a thread of their own. */
  pageSeries(): PageSeries {
    return this.#pages.series();
  }

  /** Ends the threads; work not yet done is rejected with CANCELLED. */
  async close(): Promise<void> {
    this.#fail(new HomewardError("CANCELLED", "the hash workers were closed"));
    await Promise.all([this.#pages.close(), ...this.#threads.map(({ worker }) => worker.terminate())]);
  }

  #start(): void {
    const worker = new Worker(new URL("./hash-worker.ts", import.meta.url), { resourceLimits: HEAP });
    const thread: Thread = { worker, running: new Map() };
    worker.on("message", (reply: HashReply) => {
      this.#settle(thread, reply);
    });
    worker.on("error", (error) => {
      this.#fail(new HomewardError("INTERNAL", "a hash worker failed", { cause: error }));
    });
    worker.on("exit", () => {
      this.#fail(new HomewardError("INTERNAL", "a hash worker ended"));
    });
    this.#threads.push(thread);
  }

  #submit(job: HashJob): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#queue.push({ request: { ...job, id: this.#nextId++ }, resolve, reject });
      this.#dispatch();
    });
  }

  #dispatch(): void {
    for (;;) {
      const free = this.#threads.reduce((a, b) => (b.running.size < a.running.size ? b : a));
      if (free.running.size >= JOBS_PER_THREAD) return;
      const job = this.#queue.shift();
      if (job === undefined) return;
      free.running.set(job.request.id, job);
      free.worker.postMessage(job.request, transferable(job.request));
    }
  }

  #settle(thread: Thread, reply: HashReply): void {
    const job = thread.running.get(reply.id);
    thread.running.delete(reply.id);
    // In a turn of its own: Node hands on up to a thousand messages in one turn of the event loop, and a quick thread answers the
    // next job while the last answer is still being used.
    setImmediate(() => {
      if ("result" in reply) job?.resolve(reply.result);
      else job?.reject(failure(reply.error));
    });
    this.#dispatch();
  }

  #fail(failure: HomewardError): void {
    this.#failure ??= failure;
    for (const job of this.#queue.splice(0)) job.reject(this.#failure);
    for (const thread of this.#threads) {
      for (const job of thread.running.values()) job.reject(this.#failure);
      thread.running.clear();
    }
  }
}
