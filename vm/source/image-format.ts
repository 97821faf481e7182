import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import type { ImageFormat } from "../../protocol/import.ts";
import { readQcow2Header } from "../image-header.ts";

export interface SourceFile {
  /** Absolute. */
  readonly path: string;
  readonly format: ImageFormat;
  /** What the file takes on this computer; holes are not counted. */
  readonly allocatedBytes: number;
}

const SECTOR = 512;
const START_BYTES = 64 * 1024;
const FLATTEN = "Make one complete image of it first: qemu-img convert -p -O qcow2 OLD NEW";
const UNPACK = "Unpack it first.";

/** What a file is that is no disk image, or one in a format that is not taken in: offset, magic, name, what to do. */
const OTHERS: readonly (readonly [at: number, magic: string, what: string, hint: string])[] = [
  [0, "# Disk DescriptorFile", "only lists the files of a VMware disk", FLATTEN],
  [0, "COWD", "is one part of an old VMware disk", FLATTEN],
  [0, "vhdxfile", "is a VHDX image", FLATTEN],
  [0, "conectix", "is a VHD image", FLATTEN],
  [0, "QED\0", "is a QED image", FLATTEN],
  [0, "WithoutFreeSpace", "is a Parallels image", FLATTEN],
  [0, "WithouFreSpacExt", "is a Parallels image", FLATTEN],
  [0, "LUKS\xba\xbe", "is encrypted", "Convert it into one that is not: see qemu-img(1), --image-opts."],
  [0, "\x1f\x8b", "is compressed with gzip", UNPACK],
  [0, "\xfd7zXZ\0", "is compressed with xz", UNPACK],
  [0, "\x28\xb5\x2f\xfd", "is compressed with zstd", UNPACK],
  [0, "BZh", "is compressed with bzip2", UNPACK],
  [0, "PK\x03\x04", "is a zip archive", UNPACK],
  [257, "ustar", "is an archive, an OVA maybe", "Unpack it with tar, and import the disk image in it."],
  [32_769, "CD001", "is the image of a CD, not of a disk", "Install the system into a disk image first."],
];

function usage(path: string, what: string, hint: string): HomewardError {
  return new HomewardError("USAGE", `${path} ${what}`, { hint });
}

function cutOff(path: string, expected: number, actual: number): HomewardError {
  return new HomewardError("DAMAGED", `${path} is cut off: it should have ${expected} bytes, and has ${actual}`, {
    hint: "Copy the image again.",
    data: { expected, actual },
  });
}

async function readAt(file: FileHandle, at: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  const { bytesRead } = await file.read(buffer, 0, bytes, at);
  return buffer.subarray(0, bytesRead);
}

/**
 * A sparse VMware disk in one file (Virtual Disk Format 5.0). Everything else of that kind consists of several files whose
 * names are in the image, and an image is not to say which files of this computer are read.
 */
async function checkVmdk(file: FileHandle, start: Buffer, path: string, fileBytes: number): Promise<void> {
  const capacity = start.readBigUInt64LE(12);
  const descriptorAt = Number(start.readBigUInt64LE(28)) * SECTOR;
  if (descriptorAt > fileBytes) throw cutOff(path, descriptorAt, fileBytes);
  const descriptorBytes = Math.min(Number(start.readBigUInt64LE(36)) * SECTOR, START_BYTES);
  const text = (await readAt(file, descriptorAt, descriptorBytes)).toString("latin1");
  const field = (name: string): string | undefined => new RegExp(`^${name}\\s*=\\s*"?([^"\\s]*)`, "m").exec(text)?.[1];
  const kind = field("createType");
  if (capacity === 0n || descriptorAt === 0 || !["monolithicSparse", "streamOptimized"].includes(kind ?? ""))
    throw usage(path, "is one part of a VMware disk of several files", FLATTEN);
  if ((field("parentCID") ?? "ffffffff").toLowerCase() !== "ffffffff")
    throw usage(path, "is only a layer on top of another image", FLATTEN);
}

/** Offsets in the header of a VirtualBox disk, version 1.1. */
const VDI = { magicAt: 0x40, magic: 0xbeda107f, dataAt: 0x158, blockBytes: 0x178, allocated: 0x184, links: 0x1a8 } as const;
const VDI_HEADER_BYTES = 0x1c8;

function checkVdi(start: Buffer, path: string, fileBytes: number): void {
  if (start.subarray(VDI.links, VDI.links + 32).some((byte) => byte !== 0))
    throw usage(path, "is only a layer on top of another image", FLATTEN);
  const needed = start.readUInt32LE(VDI.dataAt) + start.readUInt32LE(VDI.allocated) * start.readUInt32LE(VDI.blockBytes);
  if (needed > fileBytes) throw cutOff(path, needed, fileBytes);
}

function formatOf(start: Buffer): ImageFormat {
  const text = start.toString("latin1", 0, 4);
  if (text === "QFI\xfb") return "qcow2";
  if (text === "KDMV" && start.length >= SECTOR) return "vmdk";
  if (start.length >= VDI_HEADER_BYTES && start.readUInt32LE(VDI.magicAt) === VDI.magic) return "vdi";
  return "raw";
}

async function openImage(path: string): Promise<FileHandle> {
  try {
    // A pipe without a writer would wait for ever.
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    const { code } = toHomewardError(cause);
    const missing = code === "NOT_FOUND";
    throw new HomewardError(missing ? code : "ENVIRONMENT", `${missing ? "there is no" : "cannot read the"} image ${path}`, {
      cause,
      hint: missing ? "Check the path." : "The service, not only you, has to be allowed to read it.",
    });
  }
}

/**
 * Looks at an image before any tool opens it: it may come from anywhere, and could name other files of this computer.
 * @param stated the format it is known to have; null finds out
 * @throws NOT_FOUND, ENVIRONMENT, USAGE with what to do if it cannot be taken in as it is, DAMAGED if it is cut off
 */
export async function readSourceFile(path: string, stated: ImageFormat | null): Promise<SourceFile> {
  const file = await openImage(path);
  try {
    const status = await file.stat();
    if (!status.isFile()) throw usage(path, "is not a file", "Make an image of it first: qemu-img convert -O qcow2 FROM TO");
    const start = await readAt(file, 0, START_BYTES);
    const found = formatOf(start);
    const format = stated ?? found;
    if (format !== "raw" && format !== found)
      throw usage(path, `is not a ${format} image`, "Leave the format out to have it found out.");
    if (format === "qcow2" && (await readQcow2Header(path))?.hasBacking === true)
      throw usage(path, "is only a layer on top of another image", FLATTEN);
    if (format === "vmdk") await checkVmdk(file, start, path, status.size);
    if (format === "vdi") checkVdi(start, path, status.size);
    if (stated === null && format === "raw")
      for (const [at, magic, what, hint] of OTHERS)
        if (start.toString("latin1", at, at + magic.length) === magic) throw usage(path, what, hint);
    return { path, format, allocatedBytes: Math.min(status.size, status.blocks * SECTOR) };
  } finally {
    await file.close();
  }
}
