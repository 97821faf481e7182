import { zstdCompress, zstdDecompress } from "../../common/zstd.ts";
import { HomewardError } from "../../common/errors.ts";
import { beginMessage, openMessage, peer } from "./envelope.ts";
import { BLOCK_BYTES, FRAME_BLOCKS, MAX_FRAME_BYTES } from "./limits.ts";

/**
 * A frame brings the contents of some blocks. Which ones is not said: both sides walk the same list (what was needed, or
 * asked for again) and know how far they are; `sequence` only makes sure of it.
 */
export interface FrameHeader {
  readonly sequence: number;
  readonly blocks: number;
}

const RAW = 0;
const ZSTD = 1;

/**
 * Layout: format, kind; sequence varint; blocks varint; how stored u8; the payload to the end.
 * @param content the blocks, at most FRAME_BLOCKS of them
 * @param dictionary content that the other side has as well
 */
export async function encodeFrame(
  sequence: number,
  content: Buffer,
  dictionary: readonly Uint8Array[],
  level: number,
): Promise<Buffer> {
  const packed = await zstdCompress(content, { level, dictionary });
  const raw = packed.length >= content.length;
  const payload = raw ? content : packed;
  return beginMessage("frame", payload.length + 32)
    .varint(sequence)
    .varint(content.length / BLOCK_BYTES)
    .u8(raw ? RAW : ZSTD)
    .bytes(payload)
    .finish();
}

export interface OpenedFrame extends FrameHeader {
  /** @throws DAMAGED when the payload does not hold exactly the blocks that the header names */
  unpack(dictionary: readonly Uint8Array[]): Promise<Buffer>;
}

/** Reads the header; the payload waits until its dictionary is known. @throws PEER or DAMAGED */
export function openFrame(data: Buffer): OpenedFrame {
  const reader = openMessage(data, "frame", MAX_FRAME_BYTES);
  const sequence = reader.varint();
  const blocks = reader.varint();
  if (blocks === 0 || blocks > FRAME_BLOCKS) throw peer("frame", "has an impossible number of blocks", { blocks });
  const stored = reader.u8();
  if (stored !== RAW && stored !== ZSTD) throw peer("frame", "is stored in an unknown way", { stored });
  const payload = reader.bytes(reader.remaining);
  const bytes = blocks * BLOCK_BYTES;
  const what = `residual frame ${sequence}`;
  return {
    sequence,
    blocks,
    async unpack(dictionary) {
      const content = stored === RAW ? payload : await zstdDecompress(payload, { maxBytes: bytes, dictionary, what });
      if (content.length !== bytes)
        throw new HomewardError("DAMAGED", `${what} has not the length that it claims`, {
          data: { expected: bytes, actual: content.length },
        });
      return content;
    },
  };
}
