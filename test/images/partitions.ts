import { crc32 } from "node:zlib";

/** Partition tables as tests need them; sizes are in sectors of 512 bytes. */
export const SECTOR = 512;

export interface TestPartition {
  readonly first: number;
  readonly count: number;
  /** An MBR type, or a GPT type as text. */
  readonly type: number | string;
}

export const ESP_GUID = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
export const BIOS_BOOT_GUID = "21686148-6449-6E6F-744E-656564454649";
export const LINUX_GUID = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
export const MICROSOFT_RESERVED_GUID = "E3C9E316-0B5C-4DB8-817D-F92DF00215AE";

/** The first three fields of a GUID are stored with their bytes turned round. */
function guidBytes(text: string): Buffer {
  const hex = (part: string): Buffer => Buffer.from(part.replaceAll("-", ""), "hex");
  const [a, b, c] = [text.slice(0, 8), text.slice(9, 13), text.slice(14, 18)].map((part) => hex(part).reverse());
  return Buffer.concat([a, b, c, hex(text.slice(19))].filter((part) => part !== undefined));
}

/** The first sector; with `code`, what a BIOS runs. */
export function mbr(partitions: readonly TestPartition[], code?: Buffer): Buffer {
  const sector = Buffer.alloc(SECTOR);
  code?.copy(sector, 0, 0, 440);
  for (const [i, { first, count, type }] of partitions.entries()) {
    const at = 446 + 16 * i;
    sector.writeUInt8(Number(type), at + 4);
    sector.writeUInt32LE(first, at + 8);
    sector.writeUInt32LE(count, at + 12);
  }
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

/** The first 34 sectors of a disk with a GUID partition table, without its copy at the end. */
export function gpt(partitions: readonly TestPartition[], diskSectors: number, code?: Buffer): Buffer {
  const entries = Buffer.alloc(128 * 128);
  for (const [i, { first, count, type }] of partitions.entries()) {
    guidBytes(String(type)).copy(entries, 128 * i);
    entries.writeUInt8(i + 1, 128 * i + 16);
    entries.writeBigUInt64LE(BigInt(first), 128 * i + 32);
    entries.writeBigUInt64LE(BigInt(first + count - 1), 128 * i + 40);
  }
  const header = Buffer.alloc(SECTOR);
  header.write("EFI PART", 0, "latin1");
  header.writeUInt32LE(0x10000, 8);
  header.writeUInt32LE(92, 12);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(BigInt(diskSectors - 1), 32);
  header.writeBigUInt64LE(34n, 40);
  header.writeBigUInt64LE(BigInt(diskSectors - 34), 48);
  header.writeUInt8(1, 56);
  header.writeBigUInt64LE(2n, 72);
  header.writeUInt32LE(128, 80);
  header.writeUInt32LE(128, 84);
  header.writeUInt32LE(crc32(entries), 88);
  header.writeUInt32LE(crc32(header.subarray(0, 92)), 16);
  const protective = mbr([{ first: 1, count: diskSectors - 1, type: 0xee }], code);
  return Buffer.concat([protective, header, entries]);
}
