import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Row } from "./method.ts";
import { crossingRow, fileBytes, inFolder, sameFiles, type Peer, type PeerContext } from "./peer.ts";

/** Programs that make one file of the new state, with or without the old one, and the new state of that file. */
interface OneFile {
  readonly name: string;
  readonly method: string;
  readonly note?: string;
  readonly streams: boolean;
  /** Without: the state as it moves when nothing old is used. */
  readonly usesOld: boolean;
  encode(old: string, input: string, output: string): readonly string[];
  decode(old: string, input: string, output: string): readonly string[];
}

/** Windows that reach over the whole state, 1 to 2 GiB. */
const ZSTD_LONG = ["--long=31", "--memory=2048MB"];
const XDELTA_SOURCE_BYTES = String(2 ** 31 - 2 ** 20);
const OVERLAY = join(import.meta.dirname, "overlay", "main.ts");

function zstd(level: number): OneFile {
  return {
    name: `zstd-${level}`,
    method: `stop-and-copy, zstd -${level}`,
    streams: true,
    usesOld: false,
    encode: (_, input, output) => ["zstd", "-q", "-T1", `-${level}`, input, "-o", output],
    decode: (_, input, output) => ["zstd", "-q", "-d", input, "-o", output],
  };
}

function patchFrom(level: number): OneFile {
  return {
    name: `patch-from-${level}`,
    method: `zstd --patch-from -${level}`,
    streams: true,
    usesOld: true,
    encode: (old, input, output) => ["zstd", "-q", "-T1", `-${level}`, ...ZSTD_LONG, `--patch-from=${old}`, input, "-o", output],
    decode: (old, input, output) => ["zstd", "-q", "-d", ...ZSTD_LONG, `--patch-from=${old}`, input, "-o", output],
  };
}

const METHODS: readonly OneFile[] = [
  zstd(3),
  zstd(19),
  patchFrom(3),
  patchFrom(19),
  {
    name: "xdelta3",
    method: "xdelta3 -9",
    streams: true,
    usesOld: true,
    encode: (old, input, output) => ["xdelta3", "-q", "-e", "-9", "-S", "djw", "-B", XDELTA_SOURCE_BYTES, "-s", old, input, output],
    decode: (old, input, output) => ["xdelta3", "-q", "-d", "-B", XDELTA_SOURCE_BYTES, "-s", old, input, output],
  },
  {
    name: "overlay",
    method: "overlay, dedup, patches, xz -9e",
    note: "bench/peers/overlay: the class of elijah and MiG",
    streams: false,
    usesOld: true,
    encode: (old, input, output) => [process.execPath, OVERLAY, "encode", old, input, output],
    decode: (old, input, output) => [process.execPath, OVERLAY, "decode", old, input, output],
  },
];

async function measure(how: OneFile, context: PeerContext): Promise<Row[]> {
  const { states, dir, signal } = context;
  const input = how.usesOld ? states.source.whole : states.moved;
  const [crosses, output] = [join(dir, "crosses"), join(dir, "output")];
  const encode = await inFolder(context, how.encode(states.base.whole, input, crosses));
  const decode = await inFolder(context, how.decode(states.base.whole, crosses, output));
  const identical = await sameFiles(input, output, signal);
  const bytes = (await fileBytes(crosses)) + (await fileBytes(states.map));
  await rm(output);
  return [crossingRow({ ...how, bytes, encode, decode, identical })];
}

export const oneFilePeers: readonly Peer[] = METHODS.map((how) => ({ name: how.name, run: (context) => measure(how, context) }));
