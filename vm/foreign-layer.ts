import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { HomewardError } from "../common/errors.ts";
import { INCOMPATIBLE, parseQcow2Fields, QCOW2_MAGIC, type Qcow2Fields } from "./image-header.ts";

/** Header and header extensions; those of a layer that `createOverlay` makes take some 500 bytes. */
const START_BYTES = 4096;
/** The known header (QEMU docs/interop/qcow2.txt), whose last field is the kind of compression. */
const HEADER_BYTES = { least: 104, most: 112, compressionAt: 104 } as const;
/** Only names features for people. Every other extension makes QEMU do something. */
const FEATURE_NAMES = 0x6803f857;
const CLUSTER_BITS = { least: 14, most: 21 } as const;
/** 16-bit reference counts, which is what QEMU makes. */
const REFCOUNT_ORDER = 4;
/** What QEMU itself reads into memory at most (block/qcow2.h). */
const MAX_TABLE_BYTES = { l1: 32 * 1024 * 1024, refcounts: 8 * 1024 * 1024 } as const;
/** Tables, and clusters that a discard left behind. */
const SPARE = { factor: 1.25, bytes: 64 * 1024 * 1024 } as const;

function wrongFeatures({ features, refcountOrder, headerBytes }: Qcow2Fields, start: Buffer): string | null {
  if ((features.incompatible & INCOMPATIBLE.externalData) !== 0n) return "keeps its data in another file";
  if ((features.incompatible & INCOMPATIBLE.corrupt) !== 0n) return "is marked as corrupt";
  if ((features.incompatible & ~INCOMPATIBLE.extendedL2) !== 0n || features.compatible !== 0n || features.autoclear !== 0n)
    return "has features that no layer has";
  if (headerBytes < HEADER_BYTES.least || headerBytes > HEADER_BYTES.most || headerBytes % 8 !== 0)
    return "has a header of another size";
  if (headerBytes > HEADER_BYTES.compressionAt && start.readUInt8(HEADER_BYTES.compressionAt) !== 0)
    return "has features that no layer has";
  return refcountOrder === REFCOUNT_ORDER ? null : "has reference counts of another size";
}

function wrongExtensions(start: Buffer, headerBytes: number): string | null {
  for (let at = headerBytes; at + 8 <= start.length; ) {
    const type = start.readUInt32BE(at);
    if (type === 0) return null;
    if (type !== FEATURE_NAMES) return "has a header extension that no layer has";
    at += 8 + Math.ceil(start.readUInt32BE(at + 4) / 8) * 8;
  }
  return "has a header without an end";
}

function wrongTable(offset: bigint, bytes: number, most: number, clusterBytes: number, fileBytes: number): boolean {
  return offset === 0n || offset % BigInt(clusterBytes) !== 0n || bytes > most || offset + BigInt(bytes) > BigInt(fileBytes);
}

function wrongSizes(fields: Qcow2Fields, fileBytes: number, maxVirtualBytes: number): string | null {
  const { clusterBits, virtualBytes, l1, refcounts, features } = fields;
  if (virtualBytes === 0n || virtualBytes > BigInt(maxVirtualBytes)) return `claims a disk of ${virtualBytes} bytes`;
  if (clusterBits < CLUSTER_BITS.least || clusterBits > CLUSTER_BITS.most) return "has clusters of another size";
  if (fileBytes > Number(virtualBytes) * SPARE.factor + SPARE.bytes) return `is too large for a disk of ${virtualBytes} bytes`;
  const clusterBytes = 2 ** clusterBits;
  const refcountBytes = refcounts.clusters * clusterBytes;
  const entryBytes = (features.incompatible & INCOMPATIBLE.extendedL2) === 0n ? 8 : 16;
  const l1Needed = Math.ceil(Number(virtualBytes) / ((clusterBytes / entryBytes) * clusterBytes));
  if (
    l1.entries < l1Needed ||
    refcounts.clusters === 0 ||
    wrongTable(l1.offset, l1.entries * 8, MAX_TABLE_BYTES.l1, clusterBytes, fileBytes) ||
    wrongTable(refcounts.offset, refcountBytes, MAX_TABLE_BYTES.refcounts, clusterBytes, fileBytes)
  )
    return "has tables that do not lie in it";
  return null;
}

/**
 * What keeps a qcow2 file that another host sent from being a layer, or null. A layer is what `createOverlay` makes and
 * QEMU fills: it names no other file (which layer lies below it the store knows), and has none of the format's rarer
 * parts. Only this is asked, so that what is not known is refused; that the content is the right one, the root tells.
 * @param start the first 4096 bytes of the file, or all of a smaller one
 * @param maxVirtualBytes size of the machine's disk
 */
export function whyNoLayer(start: Buffer, fileBytes: number, maxVirtualBytes: number): string | null {
  if (start.length < HEADER_BYTES.most || start.readUInt32BE(0) !== QCOW2_MAGIC) return "is not a qcow2 image";
  if (start.readUInt32BE(4) !== 3) return "is a qcow2 image of another version";
  const fields = parseQcow2Fields(start, "a layer");
  if (fields.backing.offset !== 0n || fields.backing.bytes !== 0) return "names another file as its backing file";
  if (fields.encryption !== 0) return "is encrypted";
  if (fields.snapshots.count !== 0 || fields.snapshots.offset !== 0n) return "has snapshots in it";
  return (
    wrongFeatures(fields, start) ??
    wrongExtensions(start, fields.headerBytes) ??
    wrongSizes(fields, fileBytes, maxVirtualBytes)
  );
}

async function openOwnFile(path: string): Promise<FileHandle | null> {
  try {
    // Neither through a symbolic link nor waiting for a pipe's writer.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ELOOP") return null;
    throw error;
  }
}

/**
 * To be called on every layer that another host laid down, before any program opens it.
 * @param maxVirtualBytes size of the machine's disk
 * @throws PEER if it is anything but a plain layer: see `whyNoLayer`; also if it is no regular file
 */
export async function checkForeignLayer(path: string, maxVirtualBytes: number): Promise<void> {
  const file = await openOwnFile(path);
  let why: string | null = "is not a file";
  try {
    const status = await file?.stat();
    if (file !== null && status?.isFile() === true) {
      const start = Buffer.alloc(START_BYTES);
      const { bytesRead } = await file.read(start, 0, START_BYTES, 0);
      why = whyNoLayer(start.subarray(0, bytesRead), status.size, maxVirtualBytes);
    }
  } finally {
    await file?.close();
  }
  if (why !== null) throw new HomewardError("PEER", `the other host sent a layer that ${why}`, { data: { path } });
}
