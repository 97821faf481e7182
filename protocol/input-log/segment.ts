import { promisify } from "node:util";
import { constants, crc32, zstdCompress, type ZstdOptions } from "node:zlib";
import { ByteReader, ByteWriter } from "../../common/bytes.ts";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import { zstdDecompress } from "../../common/zstd.ts";
import { cellsNamed, readEvents, writeEvents } from "./event-codec.ts";
import { INPUT_LOG_LIMITS, type InputEvent } from "./events.ts";

/**
 * A stored piece of the input log:
 *   "HWIL", u8 version, u8 flags (bit 0: the events are one zstd frame), u32 CRC-32 of all other bytes,
 *   varint(bytes of the events uncompressed), events (event-codec.ts).
 * Numbers are big-endian. Small segments are stored plain where zstd's own header would make them larger.
 */
const MAGIC = 0x4857494c;
const VERSION = 1;
const COMPRESSED = 1;
const CHECKSUM_AT = 6;
const LEVEL = 19;

type Zstd = (data: Buffer, options: ZstdOptions) => Promise<Buffer>;
const compress: Zstd = promisify(zstdCompress);

function checksum(segment: Buffer): number {
  return crc32(segment.subarray(CHECKSUM_AT + 4), crc32(segment.subarray(0, CHECKSUM_AT)));
}

/**
 * Packs events, which must be in the order of their times (whole milliseconds).
 * @throws INTERNAL if they are more than one segment may hold (INPUT_LOG_LIMITS) or hold impossible values
 */
export async function encodeSegment(events: readonly InputEvent[]): Promise<Buffer> {
  const raw = writeEvents(events);
  const cells = events.reduce((sum, event) => sum + cellsNamed(event), 0);
  const { segmentEvents, segmentCells, rawBytes } = INPUT_LOG_LIMITS;
  if (events.length > segmentEvents || cells > segmentCells || raw.length > rawBytes)
    throw new HomewardError("INTERNAL", "too much for one segment of the input log", {
      data: { events: events.length, cells, bytes: raw.length },
    });
  // Without the size zstd would set up 42 ms worth of tables for a hundred bytes at this level.
  const packed = await compress(raw, {
    params: { [constants.ZSTD_c_compressionLevel]: LEVEL },
    pledgedSrcSize: raw.length,
  });
  const smaller = packed.length < raw.length;
  const segment = new ByteWriter(16 + raw.length)
    .u32(MAGIC)
    .u8(VERSION)
    .u8(smaller ? COMPRESSED : 0)
    .u32(0)
    .varint(raw.length)
    .bytes(smaller ? packed : raw)
    .finish();
  if (segment.length > INPUT_LOG_LIMITS.segmentBytes)
    throw new HomewardError("INTERNAL", `a log segment of ${segment.length} bytes is too long`);
  segment.writeUInt32BE(checksum(segment), CHECKSUM_AT);
  return segment;
}

/** @throws DAMAGED if this is not exactly what encodeSegment made */
export async function decodeSegment(data: Buffer): Promise<InputEvent[]> {
  const what = "log segment";
  if (data.length > INPUT_LOG_LIMITS.segmentBytes)
    throw new HomewardError("DAMAGED", `a ${what} is ${data.length} bytes long`);
  // What a store hands out in the place of one that it cannot.
  if (data.length === 0) throw new HomewardError("DAMAGED", `a ${what} is lost, or was changed where it is kept`);
  const reader = new ByteReader(data, what);
  if (reader.u32() !== MAGIC) throw new HomewardError("DAMAGED", `this is no ${what}`);
  const version = reader.u8();
  const flags = reader.u8();
  if (reader.u32() !== checksum(data)) throw new HomewardError("DAMAGED", `a ${what} has a wrong checksum`);
  if (version !== VERSION || (flags & ~COMPRESSED) !== 0)
    throw new HomewardError("DAMAGED", `a ${what} has the unknown version ${version}.${flags}`, {
      hint: "It was written by a newer Homeward; use that one.",
    });
  const rawBytes = reader.varint();
  if (rawBytes > INPUT_LOG_LIMITS.rawBytes) throw new HomewardError("DAMAGED", `a ${what} unpacks to ${rawBytes} bytes`);
  const body = reader.bytes(reader.remaining);
  const raw = (flags & COMPRESSED) === 0 ? body : await zstdDecompress(body, { maxBytes: rawBytes, what: `a ${what}` });
  if (raw.length !== rawBytes) throw new HomewardError("DAMAGED", `a ${what} unpacks to another length than it says`);
  return readEvents(raw);
}

/** A stored segment, or one that was sent: those have no gaps and are numbered as they come. */
export interface NumberedSegment {
  /** Counts from 0 without gaps. */
  readonly seq: number;
  readonly data: Buffer;
}

/**
 * The events of a log up to the first segment that is damaged, missing or of an earlier time: what follows a gap would be done to another
 * screen than it was done to.
 * @param onDamage told once, with how many events there were before it
 */
export async function* readableEvents(
  segments: Iterable<NumberedSegment>,
  onDamage: (error: HomewardError) => void,
): AsyncGenerator<InputEvent, void, undefined> {
  let next = 0;
  let before = 0;
  let lastMs = 0;
  for (const { seq, data } of segments) {
    let events: InputEvent[];
    try {
      if (seq !== next) throw new HomewardError("DAMAGED", `segment ${next} is missing`);
      events = await decodeSegment(data);
      const [first] = events;
      if (first !== undefined && first.atMs < lastMs)
        throw new HomewardError("DAMAGED", `segment ${next} begins before the one before it ends`);
    } catch (cause) {
      const error = toHomewardError(cause);
      if (error.code !== "DAMAGED") throw error;
      onDamage(new HomewardError("DAMAGED", `the input log is damaged after ${before} events: ${error.message}`, { cause }));
      return;
    }
    yield* events;
    lastMs = events.at(-1)?.atMs ?? lastMs;
    before += events.length;
    next++;
  }
}

/** Bound on what one event takes before compression, for splitting. */
function estimate(event: InputEvent): number {
  return event.kind === "checkpoint" ? 24 + 3 * event.checkpoint.cells.size + 4 * event.checkpoint.volatile.length : 24;
}

/**
 * The same log in as few segments as possible: what is written every second while recording shrinks to a half or less
 * when it is compressed together, before it goes over a slow link.
 * @param onDamage told when the log ends before its end, as by `readableEvents`
 * @throws DAMAGED if it is endless
 */
export async function mergeSegments(
  segments: Iterable<NumberedSegment>,
  onDamage: (error: HomewardError) => void,
): Promise<Buffer[]> {
  const merged: Buffer[] = [];
  let batch: InputEvent[] = [];
  let bytes = 0;
  let total = 0;
  for await (const event of readableEvents(segments, onDamage)) {
    const size = estimate(event);
    // Half of the bound on raw bytes, so that even incompressible events stay within the bound on stored ones.
    const full = batch.length >= INPUT_LOG_LIMITS.segmentEvents || bytes + size > INPUT_LOG_LIMITS.segmentBytes / 2;
    if (full && batch.length > 0) {
      merged.push(await encodeSegment(batch));
      batch = [];
      bytes = 0;
    }
    batch.push(event);
    bytes += size;
    if (++total > INPUT_LOG_LIMITS.logEvents) throw new HomewardError("DAMAGED", "the input log is endless");
  }
  if (batch.length > 0) merged.push(await encodeSegment(batch));
  return merged;
}
