import type { ByteReader, ByteWriter } from "../../common/bytes.ts";
import { beginMessage, openMessage, peer } from "./envelope.ts";
import { DEVICES, MAX_MESSAGE_BYTES, type BlockRange, type DeviceName } from "./limits.ts";

/** Messages that narrow a wrong root down to its leaves and fetch their blocks again. */

/** "Which hashes do the nodes from…from+count at this level of your tree have?" */
export interface NarrowRequest {
  readonly device: DeviceName;
  /** 0 is the leaves. */
  readonly level: number;
  /** Ascending, not overlapping; `block` counts nodes here. */
  readonly nodes: readonly BlockRange[];
}

/**
 * What the frames are compressed against: the generation's blocks as always, or nothing at all. A generation whose stored
 * copy is damaged spoils every frame that it is the dictionary of.
 */
export type RefetchDictionary = "generation" | "none";
const DICTIONARIES: readonly RefetchDictionary[] = ["generation", "none"];

/** "Send the contents of these blocks", in this order. */
export interface RefetchRequest {
  readonly device: DeviceName;
  readonly dictionary: RefetchDictionary;
  readonly ranges: readonly BlockRange[];
}

/** Nodes are located with this much of their SHA-256; the root that is compared in the end is whole. */
export const NODE_PREFIX_BYTES = 8;
/** Nodes that one request asks for at most: 128 KiB of prefixes. */
export const MAX_NARROW_NODES = 16 * 1024;
export const MAX_REFETCH_BLOCKS = 16 * 1024;
const MAX_RANGES = 16 * 1024;

function writeDevice(writer: ByteWriter, device: DeviceName): void {
  writer.u8(DEVICES.indexOf(device));
}

function readDevice(reader: ByteReader, kind: "narrow" | "refetch"): DeviceName {
  const device = DEVICES[reader.u8()];
  if (device === undefined) throw peer(kind, "names an unknown device");
  return device;
}

function writeRanges(writer: ByteWriter, ranges: readonly BlockRange[]): void {
  writer.varint(ranges.length);
  let position = 0;
  for (const { block, count } of ranges) {
    writer.varint(block - position).varint(count);
    position = block + count;
  }
}

function readRanges(reader: ByteReader, kind: "narrow" | "refetch", maxTotal: number): BlockRange[] {
  const count = reader.varint();
  if (count === 0 || count > MAX_RANGES) throw peer(kind, "has an impossible number of ranges", { count });
  const ranges: BlockRange[] = [];
  let position = 0;
  let total = 0;
  for (let i = 0; i < count; i++) {
    const range = { block: position + reader.varint(), count: reader.varint() };
    position = range.block + range.count;
    total += range.count;
    if (range.count === 0 || total > maxTotal || !Number.isSafeInteger(position))
      throw peer(kind, "asks for too much at once", { ...range, total });
    ranges.push(range);
  }
  return ranges;
}

/** Layout: format, kind; device u8; level u8; the ranges of nodes as gaps and lengths. */
export function encodeNarrowRequest(request: NarrowRequest): Buffer {
  const writer = beginMessage("narrow");
  writeDevice(writer, request.device);
  writer.u8(request.level);
  writeRanges(writer, request.nodes);
  return writer.finish();
}

/** @throws PEER or DAMAGED */
export function decodeNarrowRequest(data: Buffer): NarrowRequest {
  const reader = openMessage(data, "narrow", MAX_MESSAGE_BYTES);
  const device = readDevice(reader, "narrow");
  const level = reader.u8();
  const nodes = readRanges(reader, "narrow", MAX_NARROW_NODES);
  reader.end();
  return { device, level, nodes };
}

/** Layout: format, kind; the prefixes, one after the other. */
export function encodeNodes(prefixes: Buffer): Buffer {
  return beginMessage("nodes", prefixes.length + 16)
    .bytes(prefixes)
    .finish();
}

/** @param nodes how many were asked for. @throws PEER or DAMAGED */
export function decodeNodes(data: Buffer, nodes: number): Buffer {
  const reader = openMessage(data, "nodes", MAX_MESSAGE_BYTES);
  const prefixes = reader.bytes(nodes * NODE_PREFIX_BYTES);
  reader.end();
  return prefixes;
}

/** Layout: format, kind; device u8; dictionary u8; the ranges of blocks as gaps and lengths. */
export function encodeRefetchRequest(request: RefetchRequest): Buffer {
  const writer = beginMessage("refetch");
  writeDevice(writer, request.device);
  writer.u8(DICTIONARIES.indexOf(request.dictionary));
  writeRanges(writer, request.ranges);
  return writer.finish();
}

/** @throws PEER or DAMAGED */
export function decodeRefetchRequest(data: Buffer): RefetchRequest {
  const reader = openMessage(data, "refetch", MAX_MESSAGE_BYTES);
  const device = readDevice(reader, "refetch");
  const dictionary = DICTIONARIES[reader.u8()];
  if (dictionary === undefined) throw peer("refetch", "names an unknown dictionary");
  const ranges = readRanges(reader, "refetch", MAX_REFETCH_BLOCKS);
  reader.end();
  return { device, dictionary, ranges };
}
