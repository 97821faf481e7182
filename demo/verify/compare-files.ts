import { open, type FileHandle } from "node:fs/promises";
import { throwIfAborted } from "../../common/abort.ts";
import type { Progress } from "../../common/progress.ts";

const CHUNK_BYTES = 4 * 1024 * 1024;

export interface FileComparison {
  readonly identical: boolean;
  /** Compared on both sides. */
  readonly bytes: number;
  /** Offset of the first byte that differs or that only one file has; null when identical. */
  readonly firstDifference: number | null;
}

/** Reads until `target` is full or the file ends. */
async function fill(file: FileHandle, target: Buffer, position: number): Promise<Buffer> {
  let length = 0;
  while (length < target.length) {
    const { bytesRead } = await file.read(target, length, target.length - length, position + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return target.subarray(0, length);
}

function firstDifference(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return length;
}

/** Compares two files byte for byte, a few MiB at a time. */
export async function compareFiles(
  first: string,
  second: string,
  phase: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<FileComparison> {
  await using a = await open(first, "r");
  await using b = await open(second, "r");
  const total = (await a.stat()).size;
  const bufferA = Buffer.allocUnsafe(CHUNK_BYTES);
  const bufferB = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let position = 0; ; ) {
    throwIfAborted(signal);
    const [pieceA, pieceB] = await Promise.all([fill(a, bufferA, position), fill(b, bufferB, position)]);
    if (!pieceA.equals(pieceB)) {
      const at = position + firstDifference(pieceA, pieceB);
      return { identical: false, bytes: at, firstDifference: at };
    }
    position += pieceA.length;
    progress.update({ phase, done: position, total, unit: "bytes" });
    if (pieceA.length < CHUNK_BYTES) return { identical: true, bytes: position, firstDifference: null };
  }
}
