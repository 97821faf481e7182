import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { HomewardError } from "../common/errors.ts";
import type { HashJob, HashReply, HashRequest } from "./hash-jobs.ts";
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
/** A second job waits in the worker, so that it never idles while a reply is on its way. */
const JOBS_PER_THREAD = 2;

/** Bytes that may be moved to the worker instead of copied: a buffer that owns all of its memory. */
function transferable(piece: Piece): ArrayBuffer[] {
  if (piece.kind === "file") return [];
  const { buffer, byteLength } = piece.data;
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [];
}

/**
 * Worker threads that compare and hash blocks, so that the event loop never waits for it. A piece given as data belongs
 * to the pool from then on (its memory moves to the worker).
 */
export class HashPool {
  readonly #threads: Thread[] = [];
  readonly #queue: Job[] = [];
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

  /** Ends the threads; work not yet done is rejected with CANCELLED. */
  async close(): Promise<void> {
    this.#fail(new HomewardError("CANCELLED", "the hash workers were closed"));
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #start(): void {
    const worker = new Worker(new URL("./hash-worker.ts", import.meta.url));
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
      const { request } = job;
      const moved =
        request.kind === "differing"
          ? [...transferable(request.left), ...transferable(request.right)]
          : transferable(request.piece);
      free.worker.postMessage(request, moved);
    }
  }

  #settle(thread: Thread, reply: HashReply): void {
    const job = thread.running.get(reply.id);
    thread.running.delete(reply.id);
    if ("result" in reply) job?.resolve(reply.result);
    else job?.reject(new HomewardError("DAMAGED", `cannot read blocks: ${reply.error.message}`, { data: reply.error }));
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
