import { webcrypto } from "node:crypto";
import { open, readFile, stat } from "node:fs/promises";
import { ByteReader, ByteWriter } from "../common/bytes.ts";
import { HomewardError } from "../common/errors.ts";
import { zstdCompress, zstdDecompress } from "../common/zstd.ts";
import { MAX_DEVICE_STATE_BYTES } from "../protocol/generation.ts";

/**
 * Device state as a difference from the generation's: "HWDD", version u8, what it builds on u8 (0 nothing, 1 the base),
 * the first 8 bytes of the base's SHA-256, length varint, zstd with the base as raw dictionary.
 */
const MAGIC = Buffer.from("HWDD");
const VERSION = 1;
const CHECK_BYTES = 8;

async function readState(path: string): Promise<Buffer<ArrayBuffer>> {
  const { size } = await stat(path).catch((error: unknown) => {
    throw new HomewardError("NOT_FOUND", `there is no device state ${path}`, { cause: error });
  });
  if (size > MAX_DEVICE_STATE_BYTES)
    throw new HomewardError("NO_ROOM", `the device state ${path} is larger than ${MAX_DEVICE_STATE_BYTES} bytes`);
  return readFile(path);
}

/** Names the base; computed off the main thread. */
async function check(base: Buffer<ArrayBuffer> | null): Promise<Buffer> {
  if (base === null) return Buffer.alloc(CHECK_BYTES);
  return Buffer.from(await webcrypto.subtle.digest("SHA-256", base)).subarray(0, CHECK_BYTES);
}

/**
 * The file `targetPath` as a delta against `basePath`, or just compressed without one.
 * @param level zstd level 1 to 19
 * @throws NOT_FOUND; NO_ROOM when a file is larger than MAX_DEVICE_STATE_BYTES
 */
export async function encodeDelta(targetPath: string, basePath: string | null, level = 19): Promise<Buffer> {
  const target = await readState(targetPath);
  const base = basePath === null ? null : await readState(basePath);
  const packed = await zstdCompress(target, { level, longDistance: true, dictionary: base === null ? [] : [base] });
  return new ByteWriter(packed.length + 64)
    .bytes(MAGIC)
    .u8(VERSION)
    .u8(base === null ? 0 : 1)
    .bytes(await check(base))
    .varint(target.length)
    .bytes(packed)
    .finish();
}

/**
 * Writes the state to `toPath` (replaced, mode 0600, synced). The caller checks its SHA-256.
 * @throws DAMAGED; PEER when the delta was made against another base
 */
export async function applyDelta(delta: Buffer, basePath: string | null, toPath: string): Promise<void> {
  const reader = new ByteReader(delta, "the device state from the other host");
  if (!reader.bytes(MAGIC.length).equals(MAGIC) || reader.u8() !== VERSION)
    throw new HomewardError("DAMAGED", "the device state from the other host has an unknown format");
  const built = reader.u8();
  const base = basePath === null || built === 0 ? null : await readState(basePath);
  if (built > 1 || built !== (base === null ? 0 : 1) || !reader.bytes(CHECK_BYTES).equals(await check(base)))
    throw new HomewardError("PEER", "the device state from the other host builds on another generation");
  const bytes = reader.varint();
  if (bytes > MAX_DEVICE_STATE_BYTES)
    throw new HomewardError("DAMAGED", "the device state from the other host is too large", { data: { bytes } });
  const state = await zstdDecompress(reader.bytes(reader.remaining), {
    maxBytes: bytes,
    what: "the device state from the other host",
    ...(base === null ? {} : { dictionary: [base] }),
  });
  if (state.length !== bytes)
    throw new HomewardError("DAMAGED", "the device state from the other host has not the length that it claims");
  const file = await open(toPath, "w", 0o600);
  try {
    await file.writeFile(state);
    await file.sync();
  } finally {
    await file.close();
  }
}
