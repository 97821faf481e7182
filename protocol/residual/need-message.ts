import { beginMessage, openMessage, peer, readSection, writeSection } from "./envelope.ts";
import { MAX_MESSAGE_BYTES, PART_HASH_BYTES, PARTS_PER_BLOCK } from "./limits.ts";

/** Which distinct contents of the index the destination lacks, and what it has that may resemble them. */
export interface NeedMessage {
  /** Number of the content that the first bit stands for. */
  readonly from: number;
  readonly count: number;
  /** Lowest bit first; set where the content is to be sent. */
  readonly bits: Uint8Array;
  /** For each content to be sent, one bit for each part (lowest first) that is offered; empty when none is at all. */
  readonly offered: Uint8Array;
  /** 2 bytes for each offered part, in order. */
  readonly hashes: Uint8Array;
}

/** Contents that one message speaks of at most: 128 KiB of bits. */
export const MAX_NEED_CONTENTS = 1024 * 1024;
/** Contents that one message asks for at most when it offers parts: 96 KiB of hashes. */
export const MAX_OFFERING_CONTENTS = 6 * 1024;

/** How many bits are set. */
export function countBits(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** Layout: format, kind; from varint; count varint; the bits as a section; the offered parts as a section; the hashes. */
export async function encodeNeedMessage(need: NeedMessage): Promise<Buffer> {
  const writer = beginMessage("need", need.hashes.length + 1024)
    .varint(need.from)
    .varint(need.count);
  await writeSection(writer, Buffer.from(need.bits));
  await writeSection(writer, Buffer.from(need.offered));
  return writer.bytes(need.hashes).finish();
}

/** @throws PEER or DAMAGED */
export async function decodeNeedMessage(data: Buffer): Promise<NeedMessage> {
  const reader = openMessage(data, "need", MAX_MESSAGE_BYTES);
  const from = reader.varint();
  const count = reader.varint();
  if (count > MAX_NEED_CONTENTS) throw peer("need", "asks for too much at once", { count });
  const bits = await readSection(reader, Math.ceil(count / 8), "the other host's need");
  const asked = countBits(bits);
  if (bits.length !== Math.ceil(count / 8) || (count % 8 !== 0 && (bits.at(-1) ?? 0) >>> (count % 8) !== 0))
    throw peer("need", "has not one bit for each content", { count });
  const offered = await readSection(reader, MAX_OFFERING_CONTENTS, "the other host's need");
  if (offered.length !== 0 && offered.length !== asked)
    throw peer("need", "offers parts of other contents than it asks for", { asked, offered: offered.length });
  const hashes = reader.bytes(countBits(offered) * PART_HASH_BYTES);
  reader.end();
  return { from, count, bits, offered, hashes };
}

/** Parts of one block that the destination's twin has at the same address. */
export interface PartOffer {
  /** One bit a part, lowest first. */
  readonly parts: number;
  /** 2 bytes for each part of the block; zero for those not offered. */
  readonly hashes: Uint8Array;
}

/** What is offered for each content that is asked for, in order. */
export function* partOffers(need: NeedMessage): Generator<PartOffer | undefined, void, undefined> {
  const total = countBits(need.bits);
  let at = 0;
  for (let asked = 0; asked < total; asked++) {
    const parts = need.offered[asked] ?? 0;
    if (parts === 0) {
      yield undefined;
      continue;
    }
    const hashes = new Uint8Array(PARTS_PER_BLOCK * PART_HASH_BYTES);
    for (let part = 0; part < PARTS_PER_BLOCK; part++) {
      if ((parts & (1 << part)) === 0) continue;
      hashes.set(need.hashes.subarray(at, at + PART_HASH_BYTES), part * PART_HASH_BYTES);
      at += PART_HASH_BYTES;
    }
    yield { parts, hashes };
  }
}
