import { open, type FileHandle } from "node:fs/promises";
import { HomewardError } from "../common/errors.ts";
import { mapOrdered } from "../common/ordered.ts";
import { noProgress, type Progress } from "../common/progress.ts";
import { HASH_BYTES, MAX_DEVICE_BLOCKS } from "../protocol/residual/limits.ts";
import type { Bitmap } from "./bitmap.ts";
import type { BlockDevice, BlockRange } from "./block-device.ts";
import type { HashPool } from "./hash-pool.ts";
import { blocksIn, groupRuns, pieceOf } from "./pieces.ts";

export interface BlockHashesOptions {
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** A stretch of consecutive blocks' hashes; 8 zero bytes stand for a zero block. */
export interface HashStretch {
  readonly block: number;
  readonly hashes: Uint8Array;
}

const MAGIC = Buffer.from("HWBH");
const VERSION = 1;
const HEADER_BYTES = 32;
/** Blocks whose hashes are read, looked at or written in one turn of the event loop: 128 KiB. */
const WINDOW_BLOCKS = 16 * 1024;

function countNonZero(hashes: Buffer): number {
  let count = 0;
  for (let at = 0; at < hashes.length; at += HASH_BYTES)
    if (hashes.readUInt32LE(at) !== 0 || hashes.readUInt32LE(at + 4) !== 0) count++;
  return count;
}

/**
 * 8 bytes of SHA-1 for every block of a generation's device, kept in a file so that a migration does not read the
 * generation again. File: "HWBH", version u8, 3 zero bytes, blocks u64, non-zero blocks u64, 8 zero bytes; then the
 * hashes, with zero blocks left as holes. Only a hint: a wrong hash costs bytes, never correctness.
 */
export class BlockHashes {
  readonly blocks: number;
  /** How many blocks are not zero. */
  readonly nonZero: number;
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle, blocks: number, nonZero: number) {
    this.#handle = handle;
    this.blocks = blocks;
    this.nonZero = nonZero;
  }

  /** @throws NOT_FOUND, DAMAGED; the file can be built again */
  static async open(path: string): Promise<BlockHashes> {
    const handle = await open(path, "r").catch((error: unknown) => {
      throw new HomewardError("NOT_FOUND", `cannot open ${path}`, { cause: error });
    });
    try {
      const header = Buffer.alloc(HEADER_BYTES);
      await handle.read(header, 0, HEADER_BYTES, 0);
      const blocks = Number(header.readBigUInt64BE(8));
      const { size } = await handle.stat();
      const nonZero = Number(header.readBigUInt64BE(16));
      const known = header.subarray(0, 4).equals(MAGIC) && header.readUInt8(4) === VERSION;
      if (!known || blocks > MAX_DEVICE_BLOCKS || nonZero > blocks || size !== HEADER_BYTES + blocks * HASH_BYTES)
        throw new HomewardError("DAMAGED", `${path} is no file of block hashes`);
      return new BlockHashes(handle, blocks, nonZero);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Hashes a whole device into the file (replaced, mode 0600, synced), except for what allocatedAnywhere() leaves out. */
  static async build(
    path: string,
    device: BlockDevice,
    pool: HashPool,
    options: BlockHashesOptions = {},
  ): Promise<BlockHashes> {
    const ranges = device.allocatedAnywhere?.() ?? [{ block: 0, count: device.blocks }];
    await writeHashes(path, device, ranges, pool, undefined, options);
    return BlockHashes.open(path);
  }

  /** Writes the file of a device that differs from this one's in the dirty blocks only. */
  async update(
    path: string,
    device: BlockDevice,
    dirty: Bitmap,
    pool: HashPool,
    options: BlockHashesOptions = {},
  ): Promise<BlockHashes> {
    if (device.blocks !== this.blocks) throw new HomewardError("INTERNAL", "block hashes of a device of another size");
    await writeHashes(path, device, dirty.runs(), pool, this, options);
    return BlockHashes.open(path);
  }

  /** All hashes in order, in stretches of at most 128 KiB. The memory of a stretch is used again for the next. */
  async *stretches(): AsyncGenerator<HashStretch, void, undefined> {
    const window = Buffer.allocUnsafeSlow(WINDOW_BLOCKS * HASH_BYTES);
    for (let block = 0; block < this.blocks; block += WINDOW_BLOCKS)
      yield { block, hashes: await this.window(block, window) };
  }

  /** The hashes from `block` on, as many as fit into `into`, as a view of it. */
  async window(block: number, into: Buffer): Promise<Buffer> {
    const bytes = Math.min(into.length, (this.blocks - block) * HASH_BYTES);
    let done = 0;
    while (done < bytes) {
      const position = HEADER_BYTES + block * HASH_BYTES + done;
      const { bytesRead } = await this.#handle.read(into, done, bytes - done, position);
      if (bytesRead === 0) throw new HomewardError("DAMAGED", "a file of block hashes ends early");
      done += bytesRead;
    }
    return into.subarray(0, bytes);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** Fills a file window by window, in ascending order, starting each from the older hashes (zeroes without). */
class HashFileWriter {
  readonly #handle: FileHandle;
  readonly #blocks: number;
  readonly #older: BlockHashes | undefined;
  readonly #window = Buffer.alloc(WINDOW_BLOCKS * HASH_BYTES);
  #start = 0;
  #loaded = false;
  #nonZero = 0;

  constructor(handle: FileHandle, blocks: number, older: BlockHashes | undefined) {
    this.#handle = handle;
    this.#blocks = blocks;
    this.#older = older;
  }

  async put(block: number, hashes: Uint8Array): Promise<void> {
    for (let at = 0; at < hashes.length; ) {
      const first = block + at / HASH_BYTES;
      while (first >= this.#start + WINDOW_BLOCKS) await this.#finishWindow();
      await this.#load();
      const room = (this.#start + WINDOW_BLOCKS - first) * HASH_BYTES;
      const part = hashes.subarray(at, at + room);
      this.#window.set(part, (first - this.#start) * HASH_BYTES);
      at += part.length;
    }
  }

  async finish(): Promise<void> {
    while (this.#start < this.#blocks) await this.#finishWindow();
    await this.#handle.truncate(HEADER_BYTES + this.#blocks * HASH_BYTES);
    const header = Buffer.alloc(HEADER_BYTES);
    MAGIC.copy(header);
    header.writeUInt8(VERSION, 4);
    header.writeBigUInt64BE(BigInt(this.#blocks), 8);
    header.writeBigUInt64BE(BigInt(this.#nonZero), 16);
    await this.#handle.write(header, 0, HEADER_BYTES, 0);
    await this.#handle.datasync();
  }

  async #load(): Promise<void> {
    if (this.#loaded) return;
    this.#loaded = true;
    if (this.#older === undefined) this.#window.fill(0);
    else await this.#older.window(this.#start, this.#window);
  }

  async #finishWindow(): Promise<void> {
    await this.#load();
    const hashes = this.#window.subarray(0, (this.#blocks - this.#start) * HASH_BYTES);
    const nonZero = countNonZero(hashes);
    // A window of zeroes stays a hole.
    if (nonZero > 0)
      await this.#handle.write(hashes, 0, hashes.length, HEADER_BYTES + this.#start * HASH_BYTES);
    this.#nonZero += nonZero;
    this.#start += WINDOW_BLOCKS;
    this.#loaded = false;
  }
}

async function writeHashes(
  path: string,
  device: BlockDevice,
  ranges: Iterable<BlockRange> | AsyncIterable<BlockRange>,
  pool: HashPool,
  older: BlockHashes | undefined,
  options: BlockHashesOptions,
): Promise<void> {
  const { progress = noProgress, signal } = options;
  const handle = await open(path, "w", 0o600);
  try {
    const writer = new HashFileWriter(handle, device.blocks, older);
    const hashed = mapOrdered(
      groupRuns(ranges),
      pool.parallelism,
      async (runs) => ({ runs, hashes: await pool.hashBlocks(await pieceOf(device, runs)) }),
      signal,
    );
    let done = 0;
    for await (const { runs, hashes } of hashed) {
      let at = 0;
      for (const run of runs) {
        await writer.put(run.block, hashes.subarray(at, at + run.count * HASH_BYTES));
        at += run.count * HASH_BYTES;
      }
      done += blocksIn(runs);
      progress.update({ phase: "hash", done, unit: "blocks" });
    }
    await writer.finish();
  } finally {
    await handle.close();
  }
}
