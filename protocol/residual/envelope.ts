import { ByteReader, ByteWriter } from "../../common/bytes.ts";
import { HomewardError } from "../../common/errors.ts";
import { zstdCompress, zstdDecompress } from "../../common/zstd.ts";
import { RESIDUAL_FORMAT } from "./limits.ts";

/** How the messages of the exchange begin: format u8, kind u8. Different kinds never pass for each other. */
export const MESSAGE_KINDS = { index: 1, need: 2, frame: 3, narrow: 4, nodes: 5, refetch: 6 } as const;
export type MessageKind = keyof typeof MESSAGE_KINDS;

export function beginMessage(kind: MessageKind, expectedBytes = 256): ByteWriter {
  return new ByteWriter(expectedBytes).u8(RESIDUAL_FORMAT).u8(MESSAGE_KINDS[kind]);
}

/** @throws PEER when the message is too large, of another format or of another kind */
export function openMessage(message: Uint8Array, kind: MessageKind, maxBytes: number): ByteReader {
  if (message.length > maxBytes) throw peer(kind, "is too large", { bytes: message.length, limit: maxBytes });
  const reader = new ByteReader(message, `the other host's ${kind} message`);
  const format = reader.u8();
  if (format !== RESIDUAL_FORMAT) throw peer(kind, `has the unknown format ${format}`);
  if (reader.u8() !== MESSAGE_KINDS[kind]) throw peer(kind, "is a message of another kind");
  return reader;
}

/** An error in what the other host sent, beyond plain damage. */
export function peer(kind: MessageKind, what: string, data: Readonly<Record<string, unknown>> = {}): HomewardError {
  return new HomewardError("PEER", `the other host's ${kind} message ${what}`, { data });
}

/** A small section: its length, the stored length (0 when stored as it is), the bytes, compressed where that is smaller. */
export async function writeSection(writer: ByteWriter, raw: Buffer): Promise<void> {
  const packed = raw.length < 32 ? raw : await zstdCompress(raw, { level: 19 });
  writer.varint(raw.length);
  if (packed.length < raw.length) writer.varint(packed.length).bytes(packed);
  else writer.varint(0).bytes(raw);
}

/** @throws DAMAGED */
export async function readSection(reader: ByteReader, maxBytes: number, what: string): Promise<Buffer> {
  const bytes = reader.varint();
  if (bytes > maxBytes) throw new HomewardError("DAMAGED", `${what} claims ${bytes} bytes`, { data: { maxBytes } });
  const stored = reader.varint();
  if (stored === 0) return reader.bytes(bytes);
  const raw = await zstdDecompress(reader.bytes(stored), { maxBytes: bytes, what });
  if (raw.length !== bytes) throw new HomewardError("DAMAGED", `${what} has not the length that it claims`);
  return raw;
}
