import { run } from "../../../common/spawn.ts";
import type { Streams } from "./streams.ts";

const MOST_BYTES = 2 ** 31;
const BEST = "preset=9e,dict=64MiB";
/** What suits each stream: literals by their place within a word, none of the byte before. */
const STREAMS = [
  ["kinds", BEST],
  ["references", `${BEST},lc=0,lp=2,pb=2`],
  ["masks", BEST],
  ["data", `${BEST},lc=0,lp=3,pb=3`],
] as const;

/** Size of the state, then each stream with its length before it. */
export async function pack(streams: Streams): Promise<Buffer> {
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(streams.size));
  const parts: Buffer[] = [head];
  for (const [name, options] of STREAMS) {
    const args = ["--format=lzma", `--lzma1=${options}`, "--stdout"];
    const { stdout } = await run("xz", args, { input: streams[name], maxOutputBytes: MOST_BYTES });
    const length = Buffer.alloc(4);
    length.writeUInt32LE(stdout.length);
    parts.push(length, stdout);
  }
  return Buffer.concat(parts);
}

/** @throws RangeError if it ends too soon, GUEST with what xz says of damage */
export async function unpack(packed: Buffer): Promise<Streams> {
  let at = 8;
  const none: Buffer = Buffer.alloc(0);
  const streams = { kinds: none, references: none, masks: none, data: none };
  for (const [name] of STREAMS) {
    const length = packed.readUInt32LE(at);
    const input = packed.subarray(at + 4, at + 4 + length);
    const { stdout } = await run("xz", ["--format=lzma", "--decompress", "--stdout"], { input, maxOutputBytes: MOST_BYTES });
    streams[name] = stdout;
    at += 4 + length;
  }
  return { size: Number(packed.readBigUInt64LE()), ...streams };
}
