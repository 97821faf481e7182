import assert from "node:assert/strict";
import { noProgress } from "../../../common/progress.ts";
import { BlockReader } from "../../../explain/block-reader.ts";
import { DiskMap } from "../../../explain/ext4.ts";
import { explainBlocks, KINDS } from "../../../explain/index.ts";
import { decodeBlockLists, encodeBlockLists } from "../../../service/store/shipped-lists.ts";
import { BLOCK_BYTES, type BlockDevice, type BlockRange } from "../../../syncer/index.ts";
import { CACHE, DISK_SPACE, ext4Disk, FILE_SPACE, FLAG, GuestMemory, memory, TYPE } from "../../unit/explain-guest.ts";
import type { FuzzedParser } from "../parser.ts";
import type { Random } from "../random.ts";

/** What `homeward explain` reads: its own lists, and the guest's memory and disk. */

const BLOCKS = { ram: 5000, disk: 100_000 };

function runs(random: Random, most: number): BlockRange[] {
  const ranges: BlockRange[] = [];
  for (let block = random(50), count = 1 + random(9); block + count < most; block += count + 1 + random(most / 20), count = 1 + random(9))
    ranges.push({ block, count });
  return ranges;
}

export function shippedList(): FuzzedParser {
  return {
    name: "shipped-list",
    code: [{ file: "service/store/shipped-lists.ts", functions: ["decodeBlockLists", "damaged"] }],
    shape: "bytes",
    codes: ["DAMAGED"],
    valid: (random) => Array.from({ length: 20 }, () => encodeBlockLists({ ram: runs(random, BLOCKS.ram), disk: runs(random, BLOCKS.disk) })),
    parse: (input) => {
      const lists = decodeBlockLists(input, BLOCKS);
      assert.deepEqual(decodeBlockLists(encodeBlockLists(lists), BLOCKS), lists);
      return true;
    },
  };
}

const PATCH_BYTES = 11;
/** Blocks that are asked about: what is described there, the array itself, free memory. */
const ASKED = [{ block: 4, count: 8 }, { block: 200, count: 6 }, { block: 300, count: 3 }];
/** Memory up to the kernel's array of page descriptors. */
const BEFORE_ARRAY = 2 * 1024 * 1024;

/** Words written into a guest's memory, at each a position (3 bytes) and the word; with one byte more it ends before the array. */
function patched(input: Buffer, whole: Buffer): Buffer {
  const data = Buffer.from(input.length % PATCH_BYTES === 1 ? whole.subarray(0, BEFORE_ARRAY) : whole);
  for (let at = 0; at + PATCH_BYTES <= input.length; at += PATCH_BYTES)
    input.copy(data, input.readUIntLE(at, 3) % (data.length - 8), at + 3, at + PATCH_BYTES);
  return data;
}

function patch(position: number, word: bigint): Buffer {
  const bytes = Buffer.alloc(PATCH_BYTES);
  bytes.writeUIntLE(position, 0, 3);
  bytes.writeBigUInt64LE(word, 3);
  return bytes;
}

/** The kernel's records as a guest's memory has them, with words changed. */
export function guestMemory(): FuzzedParser {
  const guest = new GuestMemory()
    .use(5, { head: 3_000_000 })
    .use(6, { type: TYPE.buddy })
    .use(7, { flags: FLAG.reserved, references: 1 })
    .use(8, { mapping: 0xffff_ffff_8000_4000n, references: 2 })
    .use(10, { mapping: 0xffff_8880_0123_4001n, type: 0, references: 1 })
    .use(11, { mapping: 0xffff_8880_0123_4002n, references: 1 })
    .use(200, { flags: FLAG.slab, mapping: CACHE, references: 1 })
    .use(201, { head: 200 })
    .use(202, { mapping: FILE_SPACE, references: 2 })
    .use(203, { mapping: DISK_SPACE, references: 2 })
    .use(204, { flags: FLAG.swapBacked, mapping: FILE_SPACE, references: 2 })
    .use(205, { type: TYPE.table, references: 1 }).data;
  const asked = ASKED.reduce((sum, { count }) => sum + count, 0);
  return {
    name: "guest-memory",
    code: ["descriptor", "kernel-memory", "page-array"].map((name) => ({ file: `explain/${name}.ts` })),
    shape: "bytes",
    codes: [],
    // The memory, and what is kept of it.
    largestBytes: 2 * guest.length,
    valid: (random) => {
      // Words of the descriptors of what is asked about, and of the records that they lead to.
      const places = [() => BEFORE_ARRAY + (200 + random(6)) * 64 + random(8) * 8, () => 16 * BLOCK_BYTES + random(1200), () => random(guest.length)];
      const words = [() => BigInt(random(2 ** 30)), () => guest.readBigUInt64LE(random(guest.length - 8)), () => guest.readBigUInt64LE(BEFORE_ARRAY + (200 + random(6)) * 64 + random(8) * 8)];
      return Array.from({ length: 30 }, () =>
        Buffer.concat([
          ...Array.from({ length: random(12) }, () => patch(places[random(3)]?.() ?? 0, words[random(3)]?.() ?? 0n)),
          Buffer.alloc(random(4) === 0 ? 1 : 0),
        ]),
      );
    },
    parse: async (input) => {
      const after = patched(input, guest);
      const none = memory(Buffer.alloc(BLOCK_BYTES));
      const before = { ...memory(guest), read: (_block: number, count: number) => Promise.resolve(Buffer.alloc(count * BLOCK_BYTES)) };
      const { kinds } = await explainBlocks({
        ram: { before, after: memory(after), blocks: ASKED },
        disk: { before: none, after: none, blocks: [] },
        level: 1,
        progress: noProgress,
      });
      assert.equal(kinds.reduce((sum, { blocks }) => sum + blocks, 0), asked);
      return true;
    },
  };
}

/** Blocks of the disk that an input holds; the others are zero. */
const HELD = [0, 1, 2, 3, 4, 5, 8, 9, 120, 121];
const DISK_BLOCKS = 300;

function diskOf(input: Buffer): BlockDevice {
  return {
    blocks: DISK_BLOCKS,
    read: (block, count) => {
      const data = Buffer.alloc(count * BLOCK_BYTES);
      for (const [i, held] of HELD.entries())
        if (held >= block && held < block + count) data.set(input.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES), (held - block) * BLOCK_BYTES);
      return Promise.resolve(data);
    },
  };
}

function held(disk: Buffer): Buffer {
  return Buffer.concat(HELD.map((block) => disk.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES)));
}

/** A disk whose file system begins in block 1, as an MBR or a GPT says. */
function partitioned(table: "mbr" | "gpt"): Buffer {
  const disk = ext4Disk(1);
  disk.writeUInt16LE(0xaa55, 510);
  if (table === "mbr") disk.writeUInt32LE(8, 446 + 8);
  else {
    disk.write("EFI PART", 512, "latin1");
    disk.writeUInt32LE(8, 1024 + 32);
  }
  return disk;
}

function wide(): Buffer {
  const disk = ext4Disk();
  disk.writeUInt32LE(0x80, 1024 + 96);
  disk.writeUInt16LE(64, 1024 + 254);
  return disk;
}

export function guestDisk(): FuzzedParser {
  return {
    name: "guest-disk",
    code: [{ file: "explain/ext4.ts" }],
    shape: "bytes",
    codes: [],
    // Three stretches of blocks for each of the groups that are read at most.
    largestBytes: 16 * 1024 * 1024,
    valid: () => [ext4Disk(), partitioned("mbr"), partitioned("gpt"), wide()].map(held),
    parse: async (input) => {
      const disk = diskOf(input);
      const map = await DiskMap.read(new BlockReader(disk));
      for (const block of HELD) assert.ok(KINDS.includes(map.kindOf(block, await disk.read(block, 1))));
      return true;
    },
  };
}
