import { open, type FileHandle } from "node:fs/promises";

/**
 * Logs of QEMU's block filter blklogwrites (block/blklogwrites.c; the format of the kernel's dm-log-writes): a superblock
 * {magic, version, entries: u64, sector size: u32}, then for each write {sector, sectors, flags, data bytes: u64} in a
 * sector of its own and the data after it. All little-endian.
 */
const MAGIC = 0x6a736677736872n;
const [FLUSH, DISCARD] = [1n, 4n];
const FLAGS = 15n;

interface Write {
  readonly sector: number;
  readonly sectors: number;
  readonly flags: bigint;
  /** Offset in the log; null for one without data. */
  readonly dataAt: number | null;
}

async function readEntries(log: FileHandle): Promise<{ writes: Write[]; sectorBytes: number }> {
  const head = Buffer.alloc(512);
  await log.read(head, 0, 512, 0);
  if (head.readBigUInt64LE(0) !== MAGIC) return { writes: [], sectorBytes: 512 };
  const sectorBytes = head.readUInt32LE(24);
  const { size } = await log.stat();
  const writes: Write[] = [];
  // The count in the superblock is only brought up to date with a flush; what is after it is told by its looks.
  for (let at = sectorBytes; at + sectorBytes <= size; ) {
    const entry = Buffer.alloc(32);
    await log.read(entry, 0, 32, at);
    const [sector, sectors, flags, bytes] = [0, 8, 16, 24].map((field) => entry.readBigUInt64LE(field)) as [bigint, bigint, bigint, bigint];
    const hasData = (flags & DISCARD) === 0n && sectors > 0n;
    const isEntry = flags <= FLAGS && (sectors > 0n || flags !== 0n);
    const next = at + sectorBytes + (hasData ? Number(sectors) * sectorBytes : 0);
    if (!isEntry || next > size || bytes > BigInt(size)) break;
    writes.push({ sector: Number(sector), sectors: Number(sectors), flags, dataAt: hasData ? at + sectorBytes : null });
    at = next;
  }
  return { writes, sectorBytes };
}

/**
 * Applies a log to the image as it was before: every write up to the last flush, and each later one or not.
 * @returns how many writes were left out
 */
export async function replayWrites(logPath: string, imagePath: string, random: () => number): Promise<number> {
  await using log = await open(logPath, "r");
  await using image = await open(imagePath, "r+");
  const { writes, sectorBytes } = await readEntries(log);
  const lastFlush = writes.findLastIndex(({ flags }) => (flags & FLUSH) !== 0n);
  let leftOut = 0;
  for (const [index, { sector, sectors, dataAt, flags }] of writes.entries()) {
    if (index > lastFlush && random() < 0.5) {
      leftOut++;
      continue;
    }
    if (sectors === 0) continue;
    const data = Buffer.alloc(sectors * sectorBytes);
    if (dataAt !== null) await log.read(data, 0, data.length, dataAt);
    else if ((flags & DISCARD) === 0n) continue;
    await image.write(data, 0, data.length, sector * sectorBytes);
  }
  return leftOut;
}
