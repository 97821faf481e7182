import { HomewardError } from "../../common/errors.ts";

/** How much of a disk `readBootRecord` wants: the master boot record, the GPT header and its usual 128 entries. */
export const BOOT_RECORD_BYTES = 64 * 1024;

const SECTOR = 512;
const MBR = { codeEnd: 440, entries: 446, entryBytes: 16, entryCount: 4, signatureAt: 510, signature: 0xaa55 } as const;
/** Types of MBR partitions. */
const TYPE = { empty: 0x00, ntfs: 0x07, protective: 0xee, efiSystem: 0xef } as const;
/** Fields of the GPT header (UEFI specification 2.10, table 5.5), relative to its start. */
const GPT = { magic: "EFI PART", backupAt: 32, entriesAt: 72, countAt: 80, entryBytesAt: 84 } as const;
/** Types of GPT partitions, in the byte order of the disk. */
const GUID = {
  efiSystem: "28732ac11ff8d211ba4b00a0c93ec93b",
  biosBoot: "4861682149646f6e744e656564454649",
  microsoftReserved: "16e3c9e35c0bb84d817df92df00215ae",
} as const;

/** What the beginning of a disk says about how it is to be started. */
export interface BootRecord {
  readonly partitions: "gpt" | "mbr" | "none";
  /** There is code in the first sector, and where GPT is used also the partition that such code needs. */
  readonly startsByBios: boolean;
  /** There is a partition for UEFI firmware to start from. */
  readonly startsByUefi: boolean;
  /** Windows was installed on it. */
  readonly isWindows: boolean;
}

interface Partition {
  readonly type: string | number;
  /** Last sector + 1. */
  readonly end: number;
}

/** `null` when what is there is no table, as in the first sector of a file system without partitions. */
function mbrPartitions(start: Buffer): Partition[] | null {
  const partitions: Partition[] = [];
  for (let i = 0; i < MBR.entryCount; i++) {
    const entry = start.subarray(MBR.entries + i * MBR.entryBytes, MBR.entries + (i + 1) * MBR.entryBytes);
    if ((entry.readUInt8(0) & 0x7f) !== 0) return null;
    const type = entry.readUInt8(4);
    if (type !== TYPE.empty) partitions.push({ type, end: entry.readUInt32LE(8) + entry.readUInt32LE(12) });
  }
  return partitions;
}

function gptPartitions(start: Buffer): Partition[] {
  const at = Number(start.readBigUInt64LE(SECTOR + GPT.entriesAt)) * SECTOR;
  const count = start.readUInt32LE(SECTOR + GPT.countAt);
  const bytes = start.readUInt32LE(SECTOR + GPT.entryBytesAt);
  const partitions: Partition[] = [];
  if (bytes < 128) return partitions;
  for (let i = 0, from = at; i < count && from + 48 <= start.length; i++, from += bytes) {
    const type = start.toString("hex", from, from + 16);
    if (!/^0*$/.test(type)) partitions.push({ type, end: Number(start.readBigUInt64LE(from + 40)) + 1 });
  }
  return partitions;
}

/**
 * Reads the first BOOT_RECORD_BYTES of a disk (or all of a smaller one).
 * @returns null if nothing could start from it: there is no boot sector
 * @throws DAMAGED if partitions lie beyond the end of the disk
 */
export function readBootRecord(start: Buffer, diskBytes: number, path: string): BootRecord | null {
  if (start.length < SECTOR || start.readUInt16LE(MBR.signatureAt) !== MBR.signature) return null;
  const hasCode = start.subarray(0, MBR.codeEnd).some((byte) => byte !== 0);
  const inMbr = mbrPartitions(start);
  const isGpt =
    inMbr?.some(({ type }) => type === TYPE.protective) === true &&
    start.length >= 2 * SECTOR &&
    start.toString("latin1", SECTOR, SECTOR + GPT.magic.length) === GPT.magic;
  const partitions = isGpt ? gptPartitions(start) : (inMbr ?? []);
  const ends = partitions.filter(({ type }) => type !== TYPE.protective).map(({ end }) => end);
  if (isGpt) ends.push(Number(start.readBigUInt64LE(SECTOR + GPT.backupAt)) + 1);
  const needed = Math.max(0, ...ends) * SECTOR;
  if (needed > diskBytes)
    throw new HomewardError("DAMAGED", `${path} is cut off: its partitions need ${needed} bytes, and it has ${diskBytes}`, {
      hint: "Copy the image again.",
      data: { expected: needed, actual: diskBytes },
    });
  const has = (type: string | number): boolean => partitions.some((partition) => partition.type === type);
  return {
    partitions: isGpt ? "gpt" : partitions.length > 0 ? "mbr" : "none",
    startsByBios: hasCode && (!isGpt || has(GUID.biosBoot)),
    startsByUefi: has(isGpt ? GUID.efiSystem : TYPE.efiSystem),
    isWindows: has(isGpt ? GUID.microsoftReserved : TYPE.ntfs),
  };
}
