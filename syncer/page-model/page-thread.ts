import { Worker } from "node:worker_threads";
import { HomewardError } from "../../common/errors.ts";
import type { PackedPages, UnpackedPages } from "./page-packer.ts";
import type { PageJob, PageReply, PageRequest } from "./page-worker.ts";

interface Waiting {
  readonly resolve: (pages: PackedPages | UnpackedPages) => void;
  readonly reject: (error: Error) => void;
}

/** Megabytes of the worker's heap; the models' tables lie outside of it. */
const HEAP = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 64 };

/** Lists of pages that are packed, or unpacked, one after the other by one model. */
export class PageSeries {
  readonly #ask: (job: PageJob) => Promise<PackedPages | UnpackedPages>;
  readonly #end: () => void;

  constructor(ask: (job: PageJob) => Promise<PackedPages | UnpackedPages>, end: () => void) {
    this.#ask = ask;
    this.#end = end;
  }

  /** @param base as many pages as `content` */
  pack(content: Uint8Array, base: Uint8Array): Promise<PackedPages> {
    return this.#ask({ kind: "pack", content, base }) as Promise<PackedPages>;
  }

  /** @throws DAMAGED */
  unpack(packed: Uint8Array, base: Uint8Array): Promise<UnpackedPages> {
    return this.#ask({ kind: "unpack", packed, base }) as Promise<UnpackedPages>;
  }

  /** Forgets the model. */
  end(): void {
    this.#end();
  }
}

/**
 * A thread that packs and unpacks pages. It starts when it is first used, and stays: each thread that ends leaves holes in the
 * process's memory.
 */
export class PageThread {
  #worker: Worker | null = null;
  readonly #waiting: Waiting[] = [];
  #series = 0;
  #failure: HomewardError | null = null;

  series(): PageSeries {
    const series = this.#series++;
    return new PageSeries(
      (job) => this.#ask({ ...job, series }),
      () => {
        if (this.#failure === null) this.#worker?.postMessage({ kind: "end", series } satisfies PageRequest);
      },
    );
  }

  /** What was not done yet is rejected with CANCELLED. */
  async close(): Promise<void> {
    this.#fail(new HomewardError("CANCELLED", "packing was stopped"));
    await this.#worker?.terminate();
  }

  #ask(request: PageRequest): Promise<PackedPages | UnpackedPages> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    this.#worker ??= this.#start();
    const worker = this.#worker;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      worker.postMessage(request);
    });
  }

  #start(): Worker {
    const worker = new Worker(new URL("./page-worker.ts", import.meta.url), { resourceLimits: HEAP });
    worker.on("message", (reply: PageReply) => {
      const waiting = this.#waiting.shift();
      if ("pages" in reply) waiting?.resolve(reply.pages);
      else waiting?.reject(new HomewardError(reply.damaged ? "DAMAGED" : "INTERNAL", reply.error));
    });
    worker.on("error", (error) => {
      this.#fail(new HomewardError("INTERNAL", "the packing thread failed", { cause: error }));
    });
    worker.on("exit", () => {
      this.#fail(new HomewardError("INTERNAL", "the packing thread ended"));
    });
    return worker;
  }

  #fail(failure: HomewardError): void {
    this.#failure ??= failure;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}
