import { createHash } from "node:crypto";
import { open, stat, type FileHandle } from "node:fs/promises";
import { ByteReader, ByteWriter } from "../common/bytes.ts";
import { HomewardError } from "../common/errors.ts";
import { freeBuffer } from "../common/free-buffer.ts";
import { zstdCompress, zstdDecompress } from "../common/zstd.ts";
import { MAX_DEVICE_STATE_BYTES } from "../protocol/generation.ts";
import { deltaPieces, type DeltaPiece } from "./delta-pieces.ts";

/**
 * Device state as a difference from the generation's: "HWDD", version u8, what it builds on u8 (0 nothing, 1 the base),
 * the first 8 bytes of the base's SHA-256, length varint, then for each of `deltaPieces` its packed length varint and zstd
 * with a stretch of the base as raw dictionary. Neither side ever holds more than a piece and its stretch: a picture of a
 * large screen is in the device state, and memory must not grow with it.
 */
const MAGIC = Buffer.from("HWDD");
const VERSION = 2;
const CHECK_BYTES = 8;
/** Of a file that is read for its hash. */
const READ_BYTES = 256 * 1024;

/** The state in a file, read in parts. */
class StateFile {
  readonly bytes: number;
  readonly #path: string;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle, bytes: number) {
    this.#path = path;
    this.#handle = handle;
    this.bytes = bytes;
  }

  /** @throws NOT_FOUND; NO_ROOM when it is larger than MAX_DEVICE_STATE_BYTES */
  static async open(path: string): Promise<StateFile> {
    const { size } = await stat(path).catch((error: unknown) => {
      throw new HomewardError("NOT_FOUND", `there is no device state ${path}`, { cause: error });
    });
    if (size > MAX_DEVICE_STATE_BYTES)
      throw new HomewardError("NO_ROOM", `the device state ${path} is larger than ${MAX_DEVICE_STATE_BYTES} bytes`);
    return new StateFile(path, await open(path), size);
  }

  /** `length` bytes in a buffer that can be freed. */
  async read(at: number, length: number): Promise<Buffer> {
    const data = Buffer.allocUnsafeSlow(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await this.#handle.read(data, done, length - done, at + done);
      if (bytesRead === 0) throw new HomewardError("DAMAGED", `${this.#path} became shorter while it was read`);
      done += bytesRead;
    }
    return data;
  }

  /** The beginning of its SHA-256. */
  async check(): Promise<Buffer> {
    const sha256 = createHash("sha256");
    for (let at = 0; at < this.bytes; at += READ_BYTES) {
      const data = await this.read(at, Math.min(READ_BYTES, this.bytes - at));
      sha256.update(data);
      freeBuffer(data);
    }
    return sha256.digest().subarray(0, CHECK_BYTES);
  }

  /** What a piece is packed with. */
  async dictionary({ baseAt, baseLength }: DeltaPiece): Promise<Buffer[]> {
    return baseLength === 0 ? [] : [await this.read(baseAt, baseLength)];
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function closing<T>(files: readonly (StateFile | null)[], work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    for (const file of files) await file?.close();
  }
}

async function openBase(path: string | null): Promise<StateFile | null> {
  return path === null ? null : StateFile.open(path);
}

/**
 * The file `targetPath` as a delta against `basePath`, or just compressed without one.
 * @param level zstd level 1 to 19
 * @throws NOT_FOUND; NO_ROOM when a file is larger than MAX_DEVICE_STATE_BYTES
 */
export async function encodeDelta(targetPath: string, basePath: string | null, level = 19): Promise<Buffer> {
  const target = await StateFile.open(targetPath);
  return closing([target], async () => {
    const base = await openBase(basePath);
    return closing([base], () => encode(target, base, level));
  });
}

async function encode(target: StateFile, base: StateFile | null, level: number): Promise<Buffer> {
  const writer = new ByteWriter(64 * 1024)
    .bytes(MAGIC)
    .u8(VERSION)
    .u8(base === null ? 0 : 1)
    .bytes((await base?.check()) ?? Buffer.alloc(CHECK_BYTES))
    .varint(target.bytes);
  for (const piece of deltaPieces(target.bytes, base?.bytes ?? 0)) {
    const content = await target.read(piece.at, piece.length);
    const dictionary = (await base?.dictionary(piece)) ?? [];
    const packed = await zstdCompress(content, { level, longDistance: true, dictionary });
    [content, ...dictionary].forEach(freeBuffer);
    writer.varint(packed.length).bytes(packed);
  }
  return writer.finish();
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
  const base = built === 0 ? null : await openBase(basePath);
  await closing([base], async () => {
    const check = (await base?.check()) ?? Buffer.alloc(CHECK_BYTES);
    if (built > 1 || built !== (base === null ? 0 : 1) || !reader.bytes(CHECK_BYTES).equals(check))
      throw new HomewardError("PEER", "the device state from the other host builds on another generation");
    const bytes = reader.varint();
    if (bytes > MAX_DEVICE_STATE_BYTES)
      throw new HomewardError("DAMAGED", "the device state from the other host is too large", { data: { bytes } });
    await apply(reader, deltaPieces(bytes, base?.bytes ?? 0), base, toPath);
  });
}

async function apply(
  reader: ByteReader,
  pieces: readonly DeltaPiece[],
  base: StateFile | null,
  toPath: string,
): Promise<void> {
  const file = await open(toPath, "w", 0o600);
  try {
    for (const piece of pieces) {
      const packed = reader.bytes(reader.varint());
      const dictionary = (await base?.dictionary(piece)) ?? [];
      const what = "the device state from the other host";
      const content = await zstdDecompress(packed, { maxBytes: piece.length, what, dictionary });
      if (content.length !== piece.length)
        throw new HomewardError("DAMAGED", "the device state from the other host has not the length that it claims");
      await file.writeFile(content);
      [content, ...dictionary].forEach(freeBuffer);
    }
    reader.end();
    await file.sync();
  } finally {
    await file.close();
  }
}
