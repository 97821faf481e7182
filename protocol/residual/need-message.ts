import { beginMessage, openMessage, peer, readSection, writeSection } from "./envelope.ts";
import { MAX_MESSAGE_BYTES } from "./limits.ts";

/** Which contents of the index the destination lacks. */
export interface NeedMessage {
  /** Number of the content that the first bit stands for. */
  readonly from: number;
  readonly count: number;
  /** Lowest bit first; set where the content is to be sent. */
  readonly bits: Uint8Array;
}

/** Contents that one message speaks of at most: 128 KiB of bits. */
export const MAX_NEED_CONTENTS = 1024 * 1024;

/** Layout: format, kind; from varint; count varint; the bits as a section. */
export async function encodeNeedMessage(need: NeedMessage): Promise<Buffer> {
  const writer = beginMessage("need", 1024).varint(need.from).varint(need.count);
  await writeSection(writer, Buffer.from(need.bits));
  return writer.finish();
}

/** @throws PEER or DAMAGED */
export async function decodeNeedMessage(data: Buffer): Promise<NeedMessage> {
  const reader = openMessage(data, "need", MAX_MESSAGE_BYTES);
  const from = reader.varint();
  const count = reader.varint();
  if (count > MAX_NEED_CONTENTS) throw peer("need", "asks for too much at once", { count });
  const bits = await readSection(reader, Math.ceil(count / 8), "the other host's need");
  if (bits.length !== Math.ceil(count / 8) || (count % 8 !== 0 && (bits.at(-1) ?? 0) >>> (count % 8) !== 0))
    throw peer("need", "has not one bit for each content", { count });
  reader.end();
  return { from, count, bits };
}
