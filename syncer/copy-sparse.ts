import { constants } from "node:fs";
import { chmod, copyFile, open, rm, type FileHandle } from "node:fs/promises";
import { throwIfAborted } from "../common/abort.ts";
import { HomewardError } from "../common/errors.ts";
import { noProgress, type Progress } from "../common/progress.ts";

export interface CopyOptions {
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

const CHUNK_BYTES = 1024 * 1024;
const PAGE_BYTES = 4096;
const ZEROES = Buffer.alloc(CHUNK_BYTES);

async function writeAll(to: FileHandle, data: Buffer, from: number, end: number, position: number): Promise<void> {
  let at = from;
  while (at < end) {
    const { bytesWritten } = await to.write(data, at, end - at, position + at - from);
    at += bytesWritten;
  }
}

function isZero(data: Buffer, from: number, end: number): boolean {
  return data.compare(ZEROES, 0, end - from, from, end) === 0;
}

/** Writes the parts of a chunk that are not zero, adjacent pages together. */
async function writeSparse(to: FileHandle, chunk: Buffer, position: number): Promise<void> {
  if (isZero(chunk, 0, chunk.length)) return;
  let start = -1;
  for (let page = 0; page < chunk.length; page += PAGE_BYTES) {
    const zero = isZero(chunk, page, Math.min(chunk.length, page + PAGE_BYTES));
    if (!zero && start < 0) start = page;
    if (zero && start >= 0) {
      await writeAll(to, chunk, start, page, position + start);
      start = -1;
    }
  }
  if (start >= 0) await writeAll(to, chunk, start, chunk.length, position + start);
}

async function copyChunks(from: FileHandle, to: FileHandle, options: CopyOptions): Promise<void> {
  const { progress = noProgress, signal } = options;
  const { size } = await from.stat();
  const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  let position = 0;
  while (position < size) {
    throwIfAborted(signal);
    const { bytesRead } = await from.read(chunk, 0, Math.min(CHUNK_BYTES, size - position), position);
    if (bytesRead === 0) throw new HomewardError("DAMAGED", "a file became shorter while it was copied");
    await writeSparse(to, chunk.subarray(0, bytesRead), position);
    position += bytesRead;
    progress.update({ phase: "copy", done: position, total: size, unit: "bytes" });
  }
  // Trailing zeroes were not written, but belong to the length.
  await to.truncate(size);
}

/**
 * Copies a file into a new one (mode 0600), as a reflink where the file system can, else leaving out pages of zeroes so
 * that they take no room. Nothing is synced. A copy that fails is removed.
 * @throws CONFLICT when `to` exists; CANCELLED
 */
export async function copyFileSparse(from: string, to: string, options: CopyOptions = {}): Promise<void> {
  throwIfAborted(options.signal);
  if (await cloneFile(from, to)) return;
  const target = await open(to, "wx", 0o600).catch((error: unknown) => {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "EEXIST") throw error;
    throw new HomewardError("CONFLICT", `${to} exists already`, { cause: error });
  });
  try {
    const source = await open(from, "r");
    try {
      await copyChunks(source, target, options);
    } finally {
      await source.close();
    }
  } catch (error) {
    await rm(to, { force: true });
    throw error;
  } finally {
    await target.close();
  }
}

/** False when the file system cannot share the blocks, or for any other reason: the plain copy then tells which. */
async function cloneFile(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
  } catch {
    return false;
  }
  // The clone has the mode of a generation's file, which is read-only.
  await chmod(to, 0o600);
  return true;
}
