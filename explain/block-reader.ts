import { BLOCK_BYTES, type BlockDevice } from "../syncer/index.ts";

/** Blocks that are kept: 16 MiB. */
const KEPT = 4096;

/** Single blocks of a device, those read last kept in memory. */
export class BlockReader {
  readonly device: BlockDevice;
  readonly #kept = new Map<number, Buffer>();

  constructor(device: BlockDevice) {
    this.device = device;
  }

  /** The block, or null where the device has none of that number. */
  async block(number: number): Promise<Buffer | null> {
    if (!Number.isSafeInteger(number) || number < 0 || number >= this.device.blocks) return null;
    const known = this.#kept.get(number);
    if (known !== undefined) return known;
    const data = await this.device.read(number, 1);
    this.#kept.set(number, data);
    if (this.#kept.size > KEPT) for (const oldest of this.#kept.keys()) return this.#forget(oldest, data);
    return data;
  }

  #forget(oldest: number, data: Buffer): Buffer {
    this.#kept.delete(oldest);
    return data;
  }

  /** Bytes from a position on, as many as lie in its block; null outside of the device. */
  async from(position: number): Promise<Buffer | null> {
    const block = await this.block(Math.floor(position / BLOCK_BYTES));
    return block === null ? null : block.subarray(position % BLOCK_BYTES);
  }
}
