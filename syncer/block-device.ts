import { open, type FileHandle } from "node:fs/promises";
import { HomewardError } from "../common/errors.ts";
import { BLOCK_BYTES, type BlockRange } from "../protocol/residual/limits.ts";

export { BLOCK_BYTES, type BlockRange };

/** A device made of 4 KiB blocks: guest RAM in a file, or a disk read through its image format. */
export interface BlockDevice {
  readonly blocks: number;
  /**
   * File descriptor of a raw file with block n at byte n * 4096, if there is one: hash workers then read it themselves,
   * and write it if the device is writable.
   */
  readonly fd?: number;
  /** `count` blocks in a buffer that belongs to the caller. Several reads may be under way at once. */
  read(block: number, count: number): Promise<Buffer>;
  /** Ascending ranges outside of which every block is zero, so that holes are never read. */
  allocatedAnywhere?(): AsyncIterable<BlockRange>;
}

export interface WritableBlockDevice extends BlockDevice {
  write(block: number, data: Buffer): Promise<void>;
  writeZeroes(block: number, count: number): Promise<void>;
  /** Resolves when everything written so far is on stable storage. */
  flush(): Promise<void>;
}

const ZEROES = Buffer.alloc(256 * BLOCK_BYTES);

/** A raw file as a block device. Owns its descriptor; close it when nothing reads any more. */
export class FileBlocks implements WritableBlockDevice {
  readonly blocks: number;
  readonly fd: number;
  readonly #handle: FileHandle;
  readonly #path: string;

  constructor(handle: FileHandle, path: string, blocks: number) {
    this.#handle = handle;
    this.#path = path;
    this.blocks = blocks;
    this.fd = handle.fd;
  }

  #check(block: number, count: number): void {
    if (!Number.isSafeInteger(block) || block < 0 || count < 0 || block + count > this.blocks)
      throw new HomewardError("INTERNAL", `blocks ${block}+${count} are outside of ${this.#path}`);
  }

  async read(block: number, count: number): Promise<Buffer> {
    this.#check(block, count);
    // Not from the shared pool: the buffer may be transferred to a worker.
    const data = Buffer.allocUnsafeSlow(count * BLOCK_BYTES);
    let done = 0;
    while (done < data.length) {
      const { bytesRead } = await this.#handle.read(data, done, data.length - done, block * BLOCK_BYTES + done);
      if (bytesRead === 0) throw new HomewardError("DAMAGED", `${this.#path} became shorter while it was read`);
      done += bytesRead;
    }
    return data;
  }

  async write(block: number, data: Buffer): Promise<void> {
    this.#check(block, data.length / BLOCK_BYTES);
    let done = 0;
    while (done < data.length) {
      const { bytesWritten } = await this.#handle.write(data, done, data.length - done, block * BLOCK_BYTES + done);
      done += bytesWritten;
    }
  }

  async writeZeroes(block: number, count: number): Promise<void> {
    this.#check(block, count);
    const step = ZEROES.length / BLOCK_BYTES;
    for (let at = 0; at < count; at += step)
      await this.write(block + at, ZEROES.subarray(0, Math.min(step, count - at) * BLOCK_BYTES));
  }

  async flush(): Promise<void> {
    await this.#handle.datasync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/**
 * Opens a raw file, e.g. guest RAM.
 * @throws NOT_FOUND; DAMAGED when its length is no multiple of 4096 bytes
 */
export async function openFileBlocks(path: string, options: { readonly writable?: boolean } = {}): Promise<FileBlocks> {
  const handle = await open(path, options.writable === true ? "r+" : "r").catch((error: unknown) => {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new HomewardError(missing ? "NOT_FOUND" : "ENVIRONMENT", `cannot open ${path}`, { cause: error });
  });
  const { size } = await handle.stat();
  if (size % BLOCK_BYTES !== 0) {
    await handle.close();
    throw new HomewardError("DAMAGED", `${path} is ${size} bytes long, which is no whole number of blocks`);
  }
  return new FileBlocks(handle, path, size / BLOCK_BYTES);
}
