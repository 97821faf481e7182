import { open } from "node:fs/promises";
import { ByteReader } from "../common/bytes.ts";
import { HomewardError } from "../common/errors.ts";

/** "QFI\xfb" */
const QCOW2_MAGIC = 0x514649fb;
const HEADER_BYTES = 104;
const INCOMPATIBLE_DIRTY = 1n << 0n;
const INCOMPATIBLE_CORRUPT = 1n << 1n;
const INCOMPATIBLE_EXTERNAL_DATA = 1n << 2n;

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

function parseHeader(start: Buffer, path: string): Qcow2Header {
  const reader = new ByteReader(start, `the header of ${path}`);
  reader.u32();
  const version = reader.u32();
  const backingOffset = reader.u64();
  reader.bytes(8); // length of the backing name, cluster bits
  const virtualBytes = reader.u64();
  const encryption = reader.u32();
  if (version < 2 || version > 3) throw new HomewardError("DAMAGED", `${path} is qcow2 of version ${version}`);
  if (encryption !== 0) throw new HomewardError("USAGE", `${path} is encrypted, which is not supported`);
  if (virtualBytes > BigInt(Number.MAX_SAFE_INTEGER))
    throw new HomewardError("DAMAGED", `${path} claims an impossible size`);
  let features = 0n;
  if (version === 3) {
    reader.bytes(36); // table positions
    features = reader.u64();
  }
  if ((features & INCOMPATIBLE_EXTERNAL_DATA) !== 0n)
    throw new HomewardError("USAGE", `${path} keeps its data in another file, which is not supported`, {
      hint: "Convert it into a plain qcow2 image first.",
    });
  if ((features & INCOMPATIBLE_CORRUPT) !== 0n) throw new HomewardError("DAMAGED", `${path} is marked as corrupt`);
  return {
    virtualBytes: Number(virtualBytes),
    hasBacking: backingOffset !== 0n,
    dirty: (features & INCOMPATIBLE_DIRTY) !== 0n,
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
