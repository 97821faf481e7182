import { readFile, writeFile } from "node:fs/promises";
import { pack, unpack } from "./container.ts";
import { decode } from "./decode.ts";
import { encode } from "./encode.ts";

/**
 * The overlay as a program of its own, so that its processor time and memory can be counted like everybody's:
 *   node bench/peers/overlay/main.ts encode OLD NEW OVERLAY
 *   node bench/peers/overlay/main.ts decode OLD OVERLAY NEW
 * States are held in memory and may have 2 GiB.
 */
const [verb, oldPath = "", from = "", to = ""] = process.argv.slice(2);
if ((verb !== "encode" && verb !== "decode") || to === "") throw new Error("encode OLD NEW OVERLAY, or decode OLD OVERLAY NEW");
const [old, input] = await Promise.all([readFile(oldPath), readFile(from)]);
await writeFile(to, verb === "encode" ? await pack(encode(old, input)) : decode(old, await unpack(input)));
