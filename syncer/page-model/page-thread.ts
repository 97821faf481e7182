import { Worker } from "node:worker_threads";
import { HomewardError } from "../../common/errors.ts";
import type { PackedPages, UnpackedPages } from "./page-packer.ts";
import type { PageReply, PageRequest } from "./page-worker.ts";

interface Waiting {
  readonly resolve: (pages: PackedPages | UnpackedPages) => void;
  readonly reject: (error: Error) => void;
}

/** Megabytes of the worker's heap; the model's tables, some 30 MB, lie outside of it. */
const HEAP = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 64 };

/** A thread that packs lists of pages one after the other, or unpacks them. It is started when it is first used. */
export class PageThread {
  #worker: Worker | null = null;
  readonly #waiting: Waiting[] = [];
  #failure: HomewardError | null = null;

  /** @param base as many pages as `content` */
  pack(content: Uint8Array, base: Uint8Array): Promise<PackedPages> {
    return this.#ask({ kind: "pack", content, base }) as Promise<PackedPages>;
  }

  /** @throws DAMAGED */
  unpack(packed: Uint8Array, base: Uint8Array): Promise<UnpackedPages> {
    return this.#ask({ kind: "unpack", packed, base }) as Promise<UnpackedPages>;
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
