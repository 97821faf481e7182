import { parentPort } from "node:worker_threads";
import { HomewardError } from "../../common/errors.ts";
import { PagePacker, PageUnpacker, type PackedPages, type UnpackedPages } from "./page-packer.ts";

/** Entry point of the thread of a PageThread. */

export type PageJob =
  | { readonly kind: "pack"; readonly content: Uint8Array; readonly base: Uint8Array }
  | { readonly kind: "unpack"; readonly packed: Uint8Array; readonly base: Uint8Array };

/** `series`: what belongs together; "end" is not answered. */
export type PageRequest = (PageJob | { readonly kind: "end" }) & { readonly series: number };

export type PageReply =
  | { readonly pages: PackedPages | UnpackedPages }
  /** `damaged`: what was to be unpacked is to blame. */
  | { readonly error: string; readonly damaged: boolean };

const port = parentPort;
if (port === null) throw new Error("page-worker.ts is started by PageThread");
/** 20 MB of tables each. */
const packers = new Map<number, PagePacker>();
const unpackers = new Map<number, PageUnpacker>();

function of<T>(all: Map<number, T>, series: number, make: () => T): T {
  const one = all.get(series) ?? make();
  all.set(series, one);
  return one;
}

port.on("message", (request: PageRequest) => {
  const { series } = request;
  if (request.kind === "end") {
    packers.delete(series);
    unpackers.delete(series);
    return;
  }
  let reply: PageReply;
  try {
    const pages =
      request.kind === "pack"
        ? of(packers, series, () => new PagePacker()).pack(request.content, request.base)
        : of(unpackers, series, () => new PageUnpacker()).unpack(request.packed, request.base);
    reply = { pages };
  } catch (error) {
    const damaged = error instanceof HomewardError && error.code === "DAMAGED";
    reply = { error: error instanceof Error ? error.message : String(error), damaged };
  }
  port.postMessage(reply);
});
