import { ByteReader, ByteWriter } from "../../common/bytes.ts";
import { HomewardError } from "../../common/errors.ts";
import { beginMessage, openMessage, peer, readSection, writeSection } from "./envelope.ts";
import { packedBytes, packHashes, unpackHashes } from "./hash-bits.ts";
import {
  DEVICES,
  HASH_BYTES,
  MAX_DEVICE_BLOCKS,
  MAX_HASH_BITS,
  MAX_MESSAGE_BYTES,
  MIN_HASH_BITS,
  type BlockRange,
  type DeviceName,
} from "./limits.ts";

/** Dirty blocks that follow each other and are of one sort. */
export type IndexRun =
  | (BlockRange & { readonly kind: "zero" })
  /** Each block brings one hash: the next distinct content. */
  | (BlockRange & { readonly kind: "hashed" })
  /** The blocks hold the distinct contents `content`, `content + 1`, …, numbered through the whole index. */
  | (BlockRange & { readonly kind: "repeat"; readonly content: number })
  /** The generation holds the same from block `from` on, its RAM's blocks numbered first, then its disk's. */
  | (BlockRange & { readonly kind: "generation"; readonly from: number });

/** What the whole index is about; travels in its first message. */
export interface IndexHeader {
  /** 0 when there is no twin to look contents up in. */
  readonly hashBits: number;
  readonly ramBlocks: number;
  readonly diskBlocks: number;
}

/** Dirty blocks of one device in ascending order. All of RAM's messages come before the disk's. */
export interface IndexMessage {
  readonly sequence: number;
  readonly last: boolean;
  /** In the message with sequence 0, and only there. */
  readonly header: IndexHeader | undefined;
  readonly device: DeviceName;
  readonly runs: readonly IndexRun[];
  /** 8 bytes for each hashed block, zero after hashBits bits. */
  readonly hashes: Uint8Array;
}

/** What a message holds at most, so that it stays below MAX_MESSAGE_BYTES with hashes of MAX_HASH_BITS. */
export const MAX_INDEX_HASHES = 24_576;
export const MAX_INDEX_RUNS = 4096;
/** A run takes three varints of up to five bytes. */
const MAX_RUN_BYTES = MAX_INDEX_RUNS * 15;

const KINDS = ["zero", "hashed", "repeat", "generation"] as const;

/** Runs as varints: the gap since the end of the run before, length * 4 + kind, and where it points if it does. */
function encodeRuns(runs: readonly IndexRun[], start: number): Buffer {
  const writer = new ByteWriter(4096);
  let position = start;
  let content = 0;
  let from = 0;
  for (const run of runs) {
    writer.varint(run.block - position).varint(run.count * 4 + KINDS.indexOf(run.kind));
    position = run.block + run.count;
    if (run.kind === "repeat") {
      writer.svarint(run.content - content);
      content = run.content + run.count;
    } else if (run.kind === "generation") {
      writer.svarint(run.from - from);
      from = run.from + run.count;
    }
  }
  return writer.finish();
}

function parseRuns(raw: Buffer, start: number, deviceBlocks: number, header: IndexHeader): IndexRun[] {
  const reader = new ByteReader(raw, "the other host's index");
  const runs: IndexRun[] = [];
  let position = start;
  let nextContent = 0;
  let nextFrom = 0;
  while (reader.remaining > 0) {
    const block = position + reader.varint();
    const word = reader.varint();
    const count = Math.floor(word / 4);
    const kind = KINDS[word % 4];
    if (kind === undefined || count === 0 || block + count > deviceBlocks)
      throw peer("index", "names blocks that the machine does not have", { block, count, deviceBlocks });
    if (kind === "repeat") {
      const content = nextContent + reader.svarint();
      if (content < 0) throw peer("index", "repeats a content that does not exist", { content });
      nextContent = content + count;
      runs.push({ kind, block, count, content });
    } else if (kind === "generation") {
      const from = nextFrom + reader.svarint();
      nextFrom = from + count;
      if (from < 0 || nextFrom > header.ramBlocks + header.diskBlocks)
        throw peer("index", "names blocks that the generation does not have", { from, count });
      runs.push({ kind, block, count, from });
    } else runs.push({ kind, block, count });
    position = block + count;
  }
  return runs;
}

/**
 * Layout: format, kind; sequence varint; flags u8 (1: last; 2: disk); in the first message hashBits u8 and the blocks of
 * RAM and disk as varints; the block where the runs start varint; the runs as a section; how many hashes varint; the
 * hashes, packed.
 * @param bits hashBits of the index's header
 */
export async function encodeIndexMessage(message: IndexMessage, bits: number): Promise<Buffer> {
  const writer = beginMessage("index", message.hashes.length + 1024).varint(message.sequence);
  writer.u8((message.last ? 1 : 0) | (message.device === "disk" ? 2 : 0));
  if (message.header !== undefined)
    writer.u8(message.header.hashBits).varint(message.header.ramBlocks).varint(message.header.diskBlocks);
  const start = message.runs[0]?.block ?? 0;
  writer.varint(start);
  await writeSection(writer, encodeRuns(message.runs, start));
  writer.varint(message.hashes.length / HASH_BYTES).bytes(packHashes(message.hashes, bits));
  return writer.finish();
}

function parseHeader(reader: ByteReader): IndexHeader {
  const header = { hashBits: reader.u8(), ramBlocks: reader.varint(), diskBlocks: reader.varint() };
  if (header.hashBits !== 0 && (header.hashBits < MIN_HASH_BITS || header.hashBits > MAX_HASH_BITS))
    throw peer("index", `has hashes of ${header.hashBits} bits`);
  if (Math.max(header.ramBlocks, header.diskBlocks) > MAX_DEVICE_BLOCKS) throw peer("index", "has an impossible device");
  return header;
}

/**
 * @param known the header from the message with sequence 0; undefined to parse that one
 * @throws PEER or DAMAGED
 */
export async function decodeIndexMessage(data: Buffer, known: IndexHeader | undefined): Promise<IndexMessage> {
  const reader = openMessage(data, "index", MAX_MESSAGE_BYTES);
  const sequence = reader.varint();
  const flags = reader.u8();
  if (flags > 3) throw peer("index", "has unknown flags", { flags });
  if ((sequence === 0) !== (known === undefined)) throw peer("index", "is out of order", { sequence });
  const header = known ?? parseHeader(reader);
  const device = DEVICES[flags >>> 1] ?? "ram";
  const start = reader.varint();
  const deviceBlocks = device === "ram" ? header.ramBlocks : header.diskBlocks;
  const section = await readSection(reader, MAX_RUN_BYTES, "the other host's index");
  const runs = parseRuns(section, start, deviceBlocks, header);
  const count = reader.varint();
  const hashed = runs.reduce((sum, run) => sum + (run.kind === "hashed" ? run.count : 0), 0);
  if (count !== hashed || count > MAX_INDEX_HASHES)
    throw new HomewardError("DAMAGED", "an index message has not one hash for each hashed block", {
      data: { hashes: count, blocks: hashed },
    });
  const packed = reader.bytes(packedBytes(count, header.hashBits));
  reader.end();
  const hashes = unpackHashes(packed, count, header.hashBits);
  return { sequence, last: (flags & 1) !== 0, header: sequence === 0 ? header : undefined, device, runs, hashes };
}
