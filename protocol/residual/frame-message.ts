import { crc32 } from "node:zlib";
import type { ByteReader } from "../../common/bytes.ts";
import { HomewardError } from "../../common/errors.ts";
import { zstdCompress, zstdDecompress } from "../../common/zstd.ts";
import { beginMessage, openMessage, peer } from "./envelope.ts";
import { BLOCK_BYTES, FRAME_BLOCKS, MAX_FRAME_BYTES } from "./limits.ts";

/** How a frame's payload is stored. */
const PLAIN = 0;
const ZSTD = 1;
const MODEL = 2;

/**
 * A frame brings the contents of some blocks. Which ones is not said: both sides walk the same list (what was needed, or
 * asked for again) and know how far they are; `sequence` only makes sure of it.
 *
 * Layout: format, kind; sequence varint; blocks varint; how stored u8; to the end: the blocks' bytes, compressed, as
 * they are, or as encodeModelFrame() has them.
 * @param content at most FRAME_BLOCKS blocks
 * @param dictionary content that the other side has as well
 */
export async function encodeFrame(
  sequence: number,
  content: Buffer,
  dictionary: readonly Uint8Array[],
  level: number,
): Promise<Buffer> {
  const packed = await zstdCompress(content, { level, dictionary });
  const smaller = packed.length < content.length;
  return beginMessage("frame", Math.min(packed.length, content.length) + 32)
    .varint(sequence)
    .varint(content.length / BLOCK_BYTES)
    .u8(smaller ? ZSTD : PLAIN)
    .bytes(smaller ? packed : content)
    .finish();
}

/** What a model (syncer/page-model) made of a frame's blocks. */
export interface ModelPages {
  /** All but the blocks of data. */
  readonly packed: Uint8Array;
  /** The blocks of data, one after the other, as one zstd frame; empty when there are none. */
  readonly data: Uint8Array;
  /** CRC-32 of all blocks: the model takes whatever it is given for pages. */
  readonly checksum: number;
}

/** CRC-32 of the blocks of a frame. */
export function checksumOf(content: Uint8Array): number {
  return crc32(content);
}

/** The same with the model's work: CRC-32 u32, length of `packed` varint, `packed`, `data`. */
export function encodeModelFrame(sequence: number, blocks: number, { packed, data, checksum }: ModelPages): Buffer {
  return beginMessage("frame", packed.length + data.length + 32)
    .varint(sequence)
    .varint(blocks)
    .u8(MODEL)
    .u32(checksum)
    .varint(packed.length)
    .bytes(packed)
    .bytes(data)
    .finish();
}

export interface OpenedFrame {
  readonly sequence: number;
  readonly blocks: number;
  /** Null of a frame that unpack() unpacks. */
  readonly model: ModelPages | null;
  /**
   * The blocks, one after the other.
   * @throws DAMAGED when the payload does not hold exactly as many as the header says
   */
  unpack(dictionary: readonly Uint8Array[]): Promise<Buffer>;
}

/** Reads the header; the payload waits until its dictionary is known. @throws PEER or DAMAGED */
export function openFrame(data: Buffer): OpenedFrame {
  const reader = openMessage(data, "frame", MAX_FRAME_BYTES);
  const sequence = reader.varint();
  const blocks = reader.varint();
  if (blocks === 0 || blocks > FRAME_BLOCKS) throw peer("frame", "has an impossible number of blocks", { blocks });
  const stored = reader.u8();
  if (stored > MODEL) throw peer("frame", "is stored in an unknown way", { stored });
  const model = stored === MODEL ? readModel(reader) : null;
  const packed = reader.bytes(reader.remaining);
  const what = `residual frame ${sequence}`;
  const bytes = blocks * BLOCK_BYTES;
  return {
    sequence,
    blocks,
    model,
    async unpack(dictionary) {
      const content = stored === PLAIN ? packed : await zstdDecompress(packed, { maxBytes: bytes, dictionary, what });
      if (content.length !== bytes)
        throw new HomewardError("DAMAGED", `${what} has not the length that it claims`, {
          data: { expected: bytes, actual: content.length },
        });
      return content;
    },
  };
}

function readModel(reader: ByteReader): ModelPages {
  const checksum = reader.u32();
  const packed = reader.bytes(reader.varint());
  return { checksum, packed, data: reader.bytes(reader.remaining) };
}
