import { open } from "node:fs/promises";
import { ByteReader } from "../common/bytes.ts";
import { HomewardError } from "../common/errors.ts";

/** "QFI\xfb" */
export const QCOW2_MAGIC = 0x514649fb;
const HEADER_BYTES = 104;
/** Bits of the feature field that a reader has to know all of. */
export const INCOMPATIBLE = { dirty: 1n << 0n, corrupt: 1n << 1n, externalData: 1n << 2n, extendedL2: 1n << 4n } as const;

/** Offsets and sizes in bytes, unless they say otherwise. */
export interface Qcow2Fields {
  readonly version: number;
  readonly backing: { readonly offset: bigint; readonly bytes: number };
  readonly clusterBits: number;
  readonly virtualBytes: bigint;
  readonly encryption: number;
  readonly l1: { readonly entries: number; readonly offset: bigint };
  readonly refcounts: { readonly offset: bigint; readonly clusters: number };
  readonly snapshots: { readonly count: number; readonly offset: bigint };
  readonly features: { readonly incompatible: bigint; readonly compatible: bigint; readonly autoclear: bigint };
  readonly refcountOrder: number;
  readonly headerBytes: number;
}

export interface Qcow2Header {
  readonly virtualBytes: number;
  /** Whether the header names a backing file; Homeward never follows that name. */
  readonly hasBacking: boolean;
  /** Not closed properly by the last writer. */
  readonly dirty: boolean;
}

async function readStart(path: string): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const buffer = Buffer.alloc(HEADER_BYTES);
    const { bytesRead } = await file.read(buffer, 0, HEADER_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/**
 * The fields of a header as they stand there, all believed by nobody yet.
 * @param start the file's first bytes, beginning with the magic
 * @throws DAMAGED if they end too early or are of another version than 2 and 3
 */
export function parseQcow2Fields(start: Buffer, path: string): Qcow2Fields {
  const reader = new ByteReader(start, `the header of ${path}`);
  reader.u32(); // magic
  const version = reader.u32();
  if (version < 2 || version > 3) throw new HomewardError("DAMAGED", `${path} is qcow2 of version ${version}`);
  const fields = {
    version,
    backing: { offset: reader.u64(), bytes: reader.u32() },
    clusterBits: reader.u32(),
    virtualBytes: reader.u64(),
    encryption: reader.u32(),
    l1: { entries: reader.u32(), offset: reader.u64() },
    refcounts: { offset: reader.u64(), clusters: reader.u32() },
    snapshots: { count: reader.u32(), offset: reader.u64() },
  };
  if (version === 2)
    return { ...fields, features: { incompatible: 0n, compatible: 0n, autoclear: 0n }, refcountOrder: 4, headerBytes: 72 };
  const features = { incompatible: reader.u64(), compatible: reader.u64(), autoclear: reader.u64() };
  return { ...fields, features, refcountOrder: reader.u32(), headerBytes: reader.u32() };
}

function parseHeader(start: Buffer, path: string): Qcow2Header {
  const { backing, encryption, virtualBytes, features } = parseQcow2Fields(start, path);
  if (encryption !== 0) throw new HomewardError("USAGE", `${path} is encrypted, which is not supported`);
  if (virtualBytes > BigInt(Number.MAX_SAFE_INTEGER))
    throw new HomewardError("DAMAGED", `${path} claims an impossible size`);
  if ((features.incompatible & INCOMPATIBLE.externalData) !== 0n)
    throw new HomewardError("USAGE", `${path} keeps its data in another file, which is not supported`, {
      hint: "Convert it into a plain qcow2 image first.",
    });
  if ((features.incompatible & INCOMPATIBLE.corrupt) !== 0n)
    throw new HomewardError("DAMAGED", `${path} is marked as corrupt`);
  return {
    virtualBytes: Number(virtualBytes),
    hasBacking: backing.offset !== 0n,
    dirty: (features.incompatible & INCOMPATIBLE.dirty) !== 0n,
  };
}

/**
 * Reads a qcow2 header (QEMU docs/interop/qcow2.txt); `null` if the file is not qcow2. It is looked at before any tool
 * opens the image: a header can name other files on this computer, which the tool would then read.
 * @throws USAGE if the data is encrypted or in another file, DAMAGED, NOT_FOUND
 */
export async function readQcow2Header(path: string): Promise<Qcow2Header | null> {
  let start: Buffer;
  try {
    start = await readStart(path);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new HomewardError(missing ? "NOT_FOUND" : "ENVIRONMENT", `cannot read the disk image ${path}`, { cause });
  }
  if (start.length < 4 || start.readUInt32BE(0) !== QCOW2_MAGIC) return null;
  return parseHeader(start, path);
}

/** @throws DAMAGED unless every file is a qcow2 layer that refers to nothing outside itself but its backing layer */
export async function checkLayers(layers: readonly string[]): Promise<void> {
  if (layers.length === 0) throw new HomewardError("USAGE", "a disk needs at least one layer");
  for (const path of layers)
    if ((await readQcow2Header(path)) === null) throw new HomewardError("DAMAGED", `${path} is not a qcow2 image`);
}
