import { parentPort } from "node:worker_threads";
import { HomewardError } from "../../common/errors.ts";
import { freeBuffer } from "../../common/free-buffer.ts";
import { PageModel } from "./page-model.ts";
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

interface Series {
  readonly model: PageModel;
  readonly packer: PagePacker;
  readonly unpacker: PageUnpacker;
}

const all = new Map<number, Series>();
/** One model that is not in use: tables that are made anew for each migration would lie about until they are collected. */
let spare: PageModel | null = null;

/** A series is either packed or unpacked. */
function seriesOf(number: number): Series {
  const known = all.get(number);
  if (known !== undefined) return known;
  const model = spare ?? new PageModel();
  spare = null;
  const series = { model, packer: new PagePacker(model), unpacker: new PageUnpacker(model) };
  all.set(number, series);
  return series;
}

function end(number: number): void {
  const series = all.get(number);
  if (series === undefined) return;
  all.delete(number);
  series.model.reset();
  spare = series.model;
}

port.on("message", (request: PageRequest) => {
  const { series } = request;
  if (request.kind === "end") {
    end(series);
    return;
  }
  let reply: PageReply;
  try {
    const { packer, unpacker } = seriesOf(series);
    reply = {
      pages: request.kind === "pack" ? packer.pack(request.content, request.base) : unpacker.unpack(request.packed, request.base),
    };
  } catch (error) {
    const damaged = error instanceof HomewardError && error.code === "DAMAGED";
    reply = { error: error instanceof Error ? error.message : String(error), damaged };
  }
  // Two MiB a list, which would otherwise lie about until they are collected.
  for (const data of [request.base, request.kind === "pack" ? request.content : request.packed]) freeBuffer(data);
  port.postMessage(reply, "pages" in reply && "content" in reply.pages ? [reply.pages.content.buffer as ArrayBuffer] : []);
});
