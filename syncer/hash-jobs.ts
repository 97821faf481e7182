import { hash } from "node:crypto";
import { readSync, writeSync } from "node:fs";
import { BLOCK_BYTES, HASH_BYTES, type BlockRange } from "../protocol/residual/limits.ts";
import type { Piece } from "./pieces.ts";

/** The work of a hash worker: what it hashes, compares, reads or writes is all in the job. */

/** 64 KiB: the unit of the Merkle tree. */
export const LEAF_BYTES = 64 * 1024;
export const LEAF_BLOCKS = LEAF_BYTES / BLOCK_BYTES;
export const LEAF_HASH_BYTES = 32;

export type HashJob =
  | { readonly kind: "differing"; readonly left: Piece; readonly right: Piece }
  | { readonly kind: "blocks"; readonly piece: Piece }
  | { readonly kind: "leaves"; readonly piece: Piece }
  | { readonly kind: "read"; readonly fd: number; readonly runs: readonly BlockRange[] }
  | { readonly kind: "write"; readonly fd: number; readonly runs: readonly BlockRange[]; readonly data: Uint8Array };

export type HashRequest = HashJob & { readonly id: number };
export type HashReply =
  | { readonly id: number; readonly result: Uint8Array }
  | { readonly id: number; readonly error: { readonly message: string; readonly code: string | undefined } };

/** The data that travels with a job. */
export function dataOf(job: HashJob): Uint8Array[] {
  if (job.kind === "read") return [];
  if (job.kind === "write") return [job.data];
  const pieces = job.kind === "differing" ? [job.left, job.right] : [job.piece];
  return pieces.flatMap((piece) => (piece.kind === "data" ? [piece.data] : []));
}

const ZEROES = Buffer.alloc(LEAF_BYTES);
/** SHA-256 of a leaf of zeroes, the most common leaf there is. */
export const ZERO_LEAF = hash("sha256", ZEROES, "buffer");

/** Calls `transfer` until every byte of the runs was read or written, in order. @returns how many bytes that were */
function transferRuns(
  runs: readonly BlockRange[],
  transfer: (at: number, length: number, position: number) => number,
): number {
  let at = 0;
  for (const run of runs) {
    const end = at + run.count * BLOCK_BYTES;
    let position = run.block * BLOCK_BYTES;
    while (at < end) {
      const done = transfer(at, end - at, position);
      if (done === 0) throw new Error("a file became shorter while it was read");
      at += done;
      position += done;
    }
  }
  return at;
}

function readRuns(fd: number, runs: readonly BlockRange[], into: Buffer): Buffer {
  const length = transferRuns(runs, (at, bytes, position) => readSync(fd, into, at, bytes, position));
  return into.subarray(0, length);
}

function writeRuns(fd: number, runs: readonly BlockRange[], data: Uint8Array): void {
  transferRuns(runs, (at, bytes, position) => writeSync(fd, data, at, bytes, position));
}

function bytesOf(runs: readonly BlockRange[]): number {
  return runs.reduce((sum, run) => sum + run.count, 0) * BLOCK_BYTES;
}

function load(piece: Piece, scratch: Buffer): Buffer {
  if (piece.kind === "data") return Buffer.from(piece.data.buffer, piece.data.byteOffset, piece.data.byteLength);
  return readRuns(piece.fd, piece.runs, scratch);
}

/** Sets the bits of the blocks in which the two buffers differ; the first block's bit is number `first`. */
function markDiffering(bits: Uint8Array, first: number, left: Buffer, right: Buffer): void {
  // Most of a device is unchanged, and one long comparison runs at memory speed where many short ones do not.
  for (let at = 0; at < left.length; at += LEAF_BYTES) {
    const end = Math.min(left.length, at + LEAF_BYTES);
    if (left.compare(right, at, end, at, end) === 0) continue;
    for (let block = at; block < end; block += BLOCK_BYTES) {
      if (left.compare(right, block, block + BLOCK_BYTES, block, block + BLOCK_BYTES) === 0) continue;
      const index = first + block / BLOCK_BYTES;
      bits[index >>> 3] = (bits[index >>> 3] ?? 0) | (1 << (index & 7));
    }
  }
}

/** Room for one bit a block. */
function bitsFor(bytes: number): Uint8Array {
  return new Uint8Array(Math.ceil(bytes / BLOCK_BYTES / 8));
}

/** One bit a block, lowest first: set where the two pieces differ. */
function differing(left: Buffer, right: Buffer): Uint8Array {
  if (left.length !== right.length) throw new Error("pieces of different lengths");
  const bits = bitsFor(left.length);
  markDiffering(bits, 0, left, right);
  return bits;
}

/** Bytes of each file that are read before they are compared: both then still lie in the core's own cache. */
const STEP_BYTES = 256 * 1024;

/** The same for two files, of which the same blocks are read. */
function differingFiles(leftFd: number, rightFd: number, runs: readonly BlockRange[], scratch: Buffer): Uint8Array {
  const bits = bitsFor(bytesOf(runs));
  const [left, right] = [scratch.subarray(0, STEP_BYTES), scratch.subarray(STEP_BYTES)];
  let first = 0;
  for (const run of runs) {
    for (let done = 0; done < run.count; done += STEP_BYTES / BLOCK_BYTES) {
      const step = { block: run.block + done, count: Math.min(run.count - done, STEP_BYTES / BLOCK_BYTES) };
      markDiffering(bits, first, readRuns(leftFd, [step], left), readRuns(rightFd, [step], right));
      first += step.count;
    }
  }
  return bits;
}

/** Whether two pieces are the same blocks of two files. */
function sameRuns(left: readonly BlockRange[], right: readonly BlockRange[]): boolean {
  return left.length === right.length && left.every(({ block, count }, i) => right[i]?.block === block && right[i].count === count);
}

/** The first 8 bytes of each block's SHA-1; all zero bytes for a zero block and for no other. */
function blockHashes(data: Buffer): Uint8Array {
  const hashes = Buffer.alloc((data.length / BLOCK_BYTES) * HASH_BYTES);
  for (let at = 0, to = 0; at < data.length; at += BLOCK_BYTES, to += HASH_BYTES) {
    if (ZEROES.compare(data, at, at + BLOCK_BYTES, 0, BLOCK_BYTES) === 0) continue;
    // A digest as a string of bytes: as a buffer, its allocation would cost a third of the hash itself.
    hashes.write(hash("sha1", data.subarray(at, at + BLOCK_BYTES), "binary"), to, HASH_BYTES, "binary");
    if (hashes.readUInt32LE(to) === 0 && hashes.readUInt32LE(to + 4) === 0) hashes[to + HASH_BYTES - 1] = 1;
  }
  return hashes;
}

/** SHA-256 of each 64 KiB leaf; the last one may be shorter. */
function leafHashes(data: Buffer): Uint8Array {
  const hashes = new Uint8Array(Math.ceil(data.length / LEAF_BYTES) * LEAF_HASH_BYTES);
  for (let at = 0, to = 0; at < data.length; at += LEAF_BYTES, to += LEAF_HASH_BYTES) {
    const end = Math.min(data.length, at + LEAF_BYTES);
    const zero = end - at === LEAF_BYTES && ZEROES.compare(data, at, end) === 0;
    hashes.set(zero ? ZERO_LEAF : hash("sha256", data.subarray(at, end), "buffer"), to);
  }
  return hashes;
}

/** Buffers that a worker reads files into, kept between jobs. */
export class HashScratch {
  #left: Buffer = Buffer.alloc(0);
  #right: Buffer = Buffer.alloc(0);

  #grown(buffer: Buffer, piece: Piece): Buffer {
    if (piece.kind === "data") return buffer;
    const bytes = bytesOf(piece.runs);
    return buffer.length >= bytes ? buffer : Buffer.allocUnsafeSlow(bytes);
  }

  run(job: HashJob): Uint8Array {
    if (job.kind === "read") return readRuns(job.fd, job.runs, Buffer.allocUnsafeSlow(bytesOf(job.runs)));
    if (job.kind === "write") {
      writeRuns(job.fd, job.runs, job.data);
      return new Uint8Array(0);
    }
    if (job.kind === "differing" && job.left.kind === "file" && job.right.kind === "file") {
      const { left, right } = job;
      if (!sameRuns(left.runs, right.runs)) throw new Error("pieces of different blocks");
      if (this.#left.length < 2 * STEP_BYTES) this.#left = Buffer.allocUnsafeSlow(2 * STEP_BYTES);
      return differingFiles(left.fd, right.fd, left.runs, this.#left);
    }
    const first = job.kind === "differing" ? job.left : job.piece;
    this.#left = this.#grown(this.#left, first);
    const data = load(first, this.#left);
    if (job.kind === "blocks") return blockHashes(data);
    if (job.kind === "leaves") return leafHashes(data);
    this.#right = this.#grown(this.#right, job.right);
    return differing(data, load(job.right, this.#right));
  }
}
