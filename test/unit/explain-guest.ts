import { BLOCK_BYTES, type BlockDevice } from "../../syncer/index.ts";

/** A small Linux guest as its memory and disk would lie there, put together by hand. */
export const RAM_BLOCKS = 2048;
const DIRECT = 0xffff_8880_0000_0000n;
const ARRAY = 0xffff_ea00_0000_0000n;
const IMAGE = 0xffff_ffff_8000_0000n;
/** First byte of the array of page descriptors in RAM. */
const ARRAY_AT = 2 * 1024 * 1024;
/** Records of the kernel: a cache and its name, two inodes and their address spaces. */
const RECORDS_AT = 16 * BLOCK_BYTES;

export function memory(data: Buffer): BlockDevice {
  return {
    blocks: data.length / BLOCK_BYTES,
    read: (block, count) => Promise.resolve(Buffer.from(data.subarray(block * BLOCK_BYTES, (block + count) * BLOCK_BYTES))),
  };
}

/** What a page is used for, as its descriptor says. */
export interface Use {
  readonly flags?: number;
  readonly mapping?: bigint;
  readonly type?: number;
  readonly references?: number;
  /** Frame of the first page, where this is a later one of several. */
  readonly head?: number;
}

export const FLAG = { slab: 1 << 9, reserved: 1 << 12, swapBacked: 1 << 19 } as const;
export const TYPE = { buddy: 0xffff_ff7f, table: 0xffff_fdff } as const;
export const CACHE = DIRECT + BigInt(RECORDS_AT);
export const FILE_SPACE = DIRECT + BigInt(RECORDS_AT + 512);
export const DISK_SPACE = DIRECT + BigInt(RECORDS_AT + 576);

export class GuestMemory {
  readonly data = Buffer.alloc(RAM_BLOCKS * BLOCK_BYTES);

  constructor() {
    for (let frame = 0; frame < 32_768; frame++) this.#empty(frame);
    // Empty lists in other memory tell where that is mapped.
    for (let i = 0; i < 16; i++) this.#list(8 * BLOCK_BYTES + i * 64, DIRECT);
    for (let i = 0; i < 16; i++) this.#list(4 * BLOCK_BYTES + i * 64, IMAGE);
    const name = RECORDS_AT + 256;
    this.data.write("dentry\0", name, "latin1");
    this.data.writeBigUInt64LE(DIRECT + BigInt(name), RECORDS_AT + 96);
    for (const [space, inode, mode] of [[512, 1024, 0x81a4], [576, 1100, 0x61b0]] as const) {
      this.data.writeBigUInt64LE(DIRECT + BigInt(RECORDS_AT + inode), RECORDS_AT + space);
      this.data.writeUInt16LE(mode, RECORDS_AT + inode);
    }
    this.use(9, { flags: FLAG.slab, mapping: CACHE, references: 1 });
  }

  #list(at: number, offset: bigint): void {
    for (const word of [8, 16]) this.data.writeBigUInt64LE(BigInt(at) + offset + 8n, at + word);
  }

  #empty(frame: number): void {
    const at = ARRAY_AT + frame * 64;
    this.#list(at, ARRAY - BigInt(ARRAY_AT));
    this.data.writeUInt32LE(0xffff_ffff, at + 48);
  }

  /** Describes a page. */
  use(frame: number, { flags = 0, mapping = 0n, type = 0xffff_ffff, references = 0, head }: Use): this {
    const at = ARRAY_AT + frame * 64;
    this.data.writeUInt32LE(flags, at);
    if (head !== undefined) this.data.writeBigUInt64LE(ARRAY + BigInt(head * 64) + 1n, at + 8);
    this.data.writeBigUInt64LE(mapping, at + 24);
    this.data.writeUInt32LE(type, at + 48);
    this.data.writeUInt32LE(references, at + 52);
    return this;
  }

  fill(block: number, content: Buffer): this {
    content.copy(this.data, block * BLOCK_BYTES);
    return this;
  }
}

/** A disk with an ext4 file system of one group: bitmaps in blocks 5 and 6, inodes from 8, journal of 16 blocks from 100. */
export function ext4Disk(start = 0): Buffer {
  const data = Buffer.alloc((256 + start) * BLOCK_BYTES);
  const at = start * BLOCK_BYTES;
  const head = data.subarray(at + 1024);
  head.writeUInt32LE(256, 4);
  head.writeUInt32LE(2, 24);
  head.writeUInt32LE(32_768, 32);
  head.writeUInt32LE(64, 40);
  head.writeUInt16LE(0xef53, 56);
  head.writeUInt16LE(256, 88);
  head.writeUInt32LE(8, 224);
  const group = data.subarray(at + BLOCK_BYTES);
  for (const [i, block] of [5, 6, 8].entries()) group.writeUInt32LE(block, 4 * i);
  const extents = data.subarray(at + 8 * BLOCK_BYTES + 7 * 256 + 40);
  extents.writeUInt16LE(0xf30a, 0);
  extents.writeUInt16LE(1, 2);
  extents.writeUInt16LE(16, 12 + 4);
  extents.writeUInt32LE(100, 12 + 8);
  // Names in block 120: one entry to the end.
  const directory = data.subarray(at + 120 * BLOCK_BYTES);
  directory.writeUInt32LE(11, 0);
  directory.writeUInt16LE(BLOCK_BYTES, 4);
  directory.writeUInt8(5, 6);
  directory.writeUInt8(1, 7);
  directory.write("notes", 8, "latin1");
  data.fill("text ", at + 130 * BLOCK_BYTES, at + 131 * BLOCK_BYTES);
  return data;
}
