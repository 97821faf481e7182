import { HomewardError } from "../../common/errors.ts";
import { zstdCompress, zstdDecompress } from "../../common/zstd.ts";
import { beginMessage, openMessage, peer } from "./envelope.ts";
import { BLOCK_BYTES, FRAME_BLOCKS, MAX_FRAME_BYTES, PART_BYTES } from "./limits.ts";
import { countBits } from "./need-message.ts";

/**
 * A frame brings the contents of some blocks. Which ones is not said: both sides walk the same list (what was needed, or
 * asked for again) and know how far they are; `sequence` only makes sure of it.
 */
export interface FramePayload {
  /** For each block one bit for each part that is left out because the destination has it; undefined when none is. */
  readonly leftOut: Uint8Array | undefined;
  /** The blocks without those parts, one after the other. */
  readonly bytes: Buffer;
}

/** Bits of the byte that says how a frame is stored. */
const ZSTD = 1;
const LEFT_OUT = 2;

/**
 * Layout: format, kind; sequence varint; blocks varint; how stored u8; to the end: one byte a block where parts are left
 * out, then the blocks' bytes, all of it compressed or as it is.
 * @param blocks how many, at most FRAME_BLOCKS
 * @param dictionary content that the other side has as well
 */
export async function encodeFrame(
  sequence: number,
  blocks: number,
  payload: FramePayload,
  dictionary: readonly Uint8Array[],
  level: number,
): Promise<Buffer> {
  const { leftOut, bytes } = payload;
  const raw = leftOut === undefined ? bytes : Buffer.concat([leftOut, bytes]);
  const packed = await zstdCompress(raw, { level, dictionary });
  const smaller = packed.length < raw.length;
  return beginMessage("frame", Math.min(packed.length, raw.length) + 32)
    .varint(sequence)
    .varint(blocks)
    .u8((smaller ? ZSTD : 0) | (leftOut === undefined ? 0 : LEFT_OUT))
    .bytes(smaller ? packed : raw)
    .finish();
}

export interface OpenedFrame {
  readonly sequence: number;
  readonly blocks: number;
  /** @throws DAMAGED when the payload does not hold exactly what the header says */
  unpack(dictionary: readonly Uint8Array[]): Promise<FramePayload>;
}

/** Reads the header; the payload waits until its dictionary is known. @throws PEER or DAMAGED */
export function openFrame(data: Buffer): OpenedFrame {
  const reader = openMessage(data, "frame", MAX_FRAME_BYTES);
  const sequence = reader.varint();
  const blocks = reader.varint();
  if (blocks === 0 || blocks > FRAME_BLOCKS) throw peer("frame", "has an impossible number of blocks", { blocks });
  const stored = reader.u8();
  if (stored > (ZSTD | LEFT_OUT)) throw peer("frame", "is stored in an unknown way", { stored });
  const packed = reader.bytes(reader.remaining);
  const what = `residual frame ${sequence}`;
  const masks = (stored & LEFT_OUT) === 0 ? 0 : blocks;
  return {
    sequence,
    blocks,
    async unpack(dictionary) {
      const maxBytes = masks + blocks * BLOCK_BYTES;
      const raw = (stored & ZSTD) === 0 ? packed : await zstdDecompress(packed, { maxBytes, dictionary, what });
      const leftOut = masks === 0 ? undefined : raw.subarray(0, masks);
      const parts = leftOut === undefined ? 0 : countBits(leftOut);
      const expected = maxBytes - parts * PART_BYTES;
      if (raw.length !== expected)
        throw new HomewardError("DAMAGED", `${what} has not the length that it claims`, {
          data: { expected, actual: raw.length },
        });
      return { leftOut, bytes: raw.subarray(masks) };
    },
  };
}
