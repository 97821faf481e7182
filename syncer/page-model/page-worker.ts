import { parentPort } from "node:worker_threads";
import { HomewardError } from "../../common/errors.ts";
import { PagePacker, PageUnpacker, type PackedPages, type UnpackedPages } from "./page-packer.ts";

/** Entry point of the thread of a PageThread. */

export type PageRequest =
  | { readonly kind: "pack"; readonly content: Uint8Array; readonly base: Uint8Array }
  | { readonly kind: "unpack"; readonly packed: Uint8Array; readonly base: Uint8Array };

export type PageReply =
  | { readonly pages: PackedPages | UnpackedPages }
  /** `damaged`: what was to be unpacked is to blame. */
  | { readonly error: string; readonly damaged: boolean };

const port = parentPort;
if (port === null) throw new Error("page-worker.ts is started by PageThread");
// One of them is used, and each is 20 MB of tables.
let packer: PagePacker | undefined;
let unpacker: PageUnpacker | undefined;

port.on("message", (request: PageRequest) => {
  let reply: PageReply;
  try {
    const { base } = request;
    const pages =
      request.kind === "pack"
        ? (packer ??= new PagePacker()).pack(request.content, base)
        : (unpacker ??= new PageUnpacker()).unpack(request.packed, base);
    reply = { pages };
  } catch (error) {
    const damaged = error instanceof HomewardError && error.code === "DAMAGED";
    reply = { error: error instanceof Error ? error.message : String(error), damaged };
  }
  port.postMessage(reply);
});
