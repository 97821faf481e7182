import { BLOCK_BYTES } from "../syncer/index.ts";
import type { BlockReader } from "./block-reader.ts";
import type { Kind } from "./kinds.ts";

/** A stretch of blocks of the disk and what it is for. */
interface Region {
  readonly block: number;
  readonly count: number;
  readonly kind: Kind;
}

const SUPERBLOCK_AT = 1024;
const MAGIC = 0xef53;
const SECTOR_BYTES = 512;
const INCOMPAT_64BIT = 0x80;
const EXTENT_MAGIC = 0xf30a;
/** A disk of 16 TiB has 131,072 groups; more than that are not read, in all its file systems, which the guest may say overlap. */
const MAX_GROUPS = 131_072;
/** Two bitmaps and a table. */
const REGIONS_PER_GROUP = 3;
const MBR_SIGNATURE = 0xaa55;
const GPT_ENTRIES_BLOCKS = 5;

interface Superblock {
  /** First block of the file system on the disk. */
  readonly start: number;
  readonly blocks: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  readonly inodeBytes: number;
  readonly descriptorBytes: number;
  readonly journalInode: number;
}

/** First blocks of the partitions that MBR or GPT name, and block 0 for a disk without; only what lies on whole blocks. */
async function partitionStarts(disk: BlockReader): Promise<number[]> {
  const first = await disk.block(0);
  const starts = new Set([0]);
  const add = (sector: number): void => {
    const at = (sector * SECTOR_BYTES) / BLOCK_BYTES;
    if (sector > 0 && Number.isInteger(at)) starts.add(at);
  };
  if (first?.readUInt16LE(510) !== MBR_SIGNATURE) return [...starts];
  for (let i = 0; i < 4; i++) add(first.readUInt32LE(446 + 16 * i + 8));
  if (first.toString("latin1", 512, 520) !== "EFI PART") return [...starts];
  // Entries of 128 bytes from sector 2 on, which is where every program that makes one puts them.
  for (let block = 0; block < GPT_ENTRIES_BLOCKS; block++) {
    const data = await disk.block(block);
    for (let at = block === 0 ? 1024 : 0; data !== null && at + 128 <= data.length; at += 128) add(data.readUInt32LE(at + 32));
  }
  return [...starts];
}

/** Linux, Documentation/filesystems/ext4/super.rst. Only 4 KiB blocks. */
async function readSuperblock(disk: BlockReader, start: number): Promise<Superblock | null> {
  const data = (await disk.block(start))?.subarray(SUPERBLOCK_AT);
  if (data === undefined || data.readUInt16LE(56) !== MAGIC || data.readUInt32LE(24) !== 2) return null;
  const wide = (data.readUInt32LE(96) & INCOMPAT_64BIT) !== 0;
  const superblock = {
    start,
    blocks: data.readUInt32LE(4),
    blocksPerGroup: data.readUInt32LE(32),
    inodesPerGroup: data.readUInt32LE(40),
    inodeBytes: data.readUInt16LE(88),
    descriptorBytes: wide ? data.readUInt16LE(254) : 32,
    journalInode: data.readUInt32LE(224),
  };
  const { blocksPerGroup, inodesPerGroup, inodeBytes, descriptorBytes } = superblock;
  const sound = blocksPerGroup > 0 && inodesPerGroup > 0 && inodeBytes >= 128 && inodeBytes <= BLOCK_BYTES && descriptorBytes >= 32;
  return sound ? superblock : null;
}

/** Groups' bitmaps and inode tables (group_descr.rst), and the journal. @param mostGroups of which anything is said */
async function regionsOf(disk: BlockReader, superblock: Superblock, mostGroups: number): Promise<Region[]> {
  const { start, blocks, blocksPerGroup, inodesPerGroup, inodeBytes, descriptorBytes } = superblock;
  const groups = Math.min(mostGroups, Math.ceil(blocks / blocksPerGroup));
  const tableBlocks = Math.ceil((inodesPerGroup * inodeBytes) / BLOCK_BYTES);
  const regions: Region[] = [{ block: start, count: 1 + Math.ceil((groups * descriptorBytes) / BLOCK_BYTES), kind: "superblock" }];
  let firstTable: number | null = null;
  for (let group = 0; group < groups; group++) {
    const data = await disk.from((start + 1) * BLOCK_BYTES + group * descriptorBytes);
    if (data === null || data.length < 32) break;
    regions.push({ block: start + data.readUInt32LE(0), count: 1, kind: "bitmap" });
    regions.push({ block: start + data.readUInt32LE(4), count: 1, kind: "bitmap" });
    const table = start + data.readUInt32LE(8);
    regions.push({ block: table, count: tableBlocks, kind: "inode-table" });
    firstTable ??= table;
  }
  if (firstTable !== null) regions.push(...(await journalOf(disk, superblock, firstTable)));
  return regions;
}

/** The journal's extents, as far as its inode holds them itself, which it does with up to four (ifork.rst). */
async function journalOf(disk: BlockReader, superblock: Superblock, firstTable: number): Promise<Region[]> {
  const { start, journalInode, inodesPerGroup, inodeBytes } = superblock;
  if (journalInode === 0 || journalInode > inodesPerGroup) return [];
  const inode = await disk.from(firstTable * BLOCK_BYTES + (journalInode - 1) * inodeBytes);
  const root = inode?.subarray(40, 100);
  if (root === undefined || root.length < 60 || root.readUInt16LE(0) !== EXTENT_MAGIC || root.readUInt16LE(6) !== 0) return [];
  const count = Math.min(4, root.readUInt16LE(2));
  return Array.from({ length: count }, (_, i): Region => {
    const at = 12 + 12 * i;
    const high = root.readUInt16LE(at + 6) * 2 ** 32;
    return { block: start + high + root.readUInt32LE(at + 8), count: root.readUInt16LE(at + 4), kind: "journal" };
  });
}

/** Records of a directory block follow each other to its end (directory.rst). */
export function looksLikeDirectory(data: Buffer): boolean {
  let [at, entries] = [0, 0];
  while (at + 8 <= data.length) {
    const length = data.readUInt16LE(at + 4);
    const name = data.readUInt8(at + 6);
    if (length < 12 || length % 4 !== 0 || at + length > data.length || name + 8 > length || data.readUInt8(at + 7) > 7) {
      // The tail that holds a checksum has a type of its own and ends the block.
      return entries > 0 && at + 12 === data.length && data.readUInt8(at + 7) === 0xde;
    }
    if (name > 0) entries++;
    at += length;
  }
  return entries > 0 && at === data.length;
}

/** What the file systems of a disk say of its blocks. */
export class DiskMap {
  readonly #regions: readonly Region[];

  private constructor(regions: readonly Region[]) {
    this.#regions = regions;
  }

  /** Reads what ext2, ext3 and ext4 with blocks of 4 KiB say; nothing of others is known. */
  static async read(disk: BlockReader): Promise<DiskMap> {
    const regions: Region[] = [];
    for (const start of await partitionStarts(disk)) {
      const superblock = await readSuperblock(disk, start);
      if (superblock === null) continue;
      const groups = MAX_GROUPS - Math.ceil(regions.length / REGIONS_PER_GROUP);
      for (const region of await regionsOf(disk, superblock, Math.max(0, groups))) regions.push(region);
    }
    return new DiskMap(regions.sort((a, b) => a.block - b.block));
  }

  kindOf(block: number, data: Buffer): Kind {
    const region = this.#regionOf(block);
    if (region !== null) return region.kind;
    return looksLikeDirectory(data) ? "directory" : "file-data";
  }

  #regionOf(block: number): Region | null {
    let [low, high] = [0, this.#regions.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#regions[middle]?.block ?? 0) <= block) low = middle + 1;
      else high = middle;
    }
    const region = this.#regions[low - 1];
    return region !== undefined && block < region.block + region.count ? region : null;
  }
}

