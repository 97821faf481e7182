import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import { run } from "../../common/spawn.ts";
import type { ImageFormat } from "../../protocol/import.ts";
import type { BlockdevOptions } from "../disk-chain.ts";
import { BOOT_RECORD_BYTES, readBootRecord, type BootRecord } from "./boot-record.ts";
import { readSourceFile, type SourceFile } from "./image-format.ts";

const QEMU_IMG = "qemu-img";
/** Looking through the tables of an image of some terabytes takes a while on a slow disk. */
const LOOK_TIMEOUT_MS = 300_000;
/** Of `qemu-img check`: nothing wrong, or only space that is used for nothing. */
const CHECK = { leaks: 3, errors: 2 } as const;

/** A disk image of somebody else's, found fit to be taken in. */
export interface SourceImage extends SourceFile {
  /** Size of the disk, as its guest sees it. */
  readonly virtualBytes: number;
  /** Saved states inside the image; they are left behind. */
  readonly snapshots: number;
  readonly boot: BootRecord;
}

/** Every node spelled out: nothing is guessed, and nothing that the image names is followed. */
export function sourceNode({ path, format }: SourceFile): BlockdevOptions {
  const file = { driver: "file", filename: path };
  return { driver: format, ...(format === "raw" || format === "vdi" ? {} : { backing: null }), file };
}

const infoSchema = z.object({
  "virtual-size": z.int().positive(),
  snapshots: z.array(z.unknown()).default([]),
});

/** What qemu-img did not like about an image. */
export function imageFailure(path: string, thrown: unknown): HomewardError {
  const error = toHomewardError(thrown);
  if (error.code !== "GUEST") return error;
  const { stderr } = error.data;
  const words = (typeof stderr === "string" ? stderr : error.message).trim();
  if (/Failed to get .* lock/.test(words))
    return new HomewardError("CONFLICT", `${path} is in use by another program, a running QEMU most likely`, {
      cause: error,
      hint: "Shut that machine down first.",
    });
  if (words.includes("No space left")) return new HomewardError("NO_ROOM", `no room for a copy of ${path}`, { cause: error });
  return new HomewardError("DAMAGED", `${path} cannot be read: ${words.split("\n").at(-1) ?? ""}`, {
    cause: error,
    hint: "Look at it with qemu-img info and qemu-img check, or copy it again.",
  });
}

/** @throws DAMAGED if the image contradicts itself, or ends before its data does */
async function checkTables(file: SourceFile, options: { readonly signal?: AbortSignal }): Promise<void> {
  if (file.format === "raw" || file.format === "vdi") return;
  const args = ["check", "-q", `json:${JSON.stringify(sourceNode(file))}`];
  try {
    await run(QEMU_IMG, args, { ...options, timeoutMs: LOOK_TIMEOUT_MS });
  } catch (thrown) {
    const error = toHomewardError(thrown);
    if (error.data["status"] === CHECK.leaks) return;
    if (error.data["status"] !== CHECK.errors) throw error;
    throw new HomewardError("DAMAGED", `${file.path} is damaged or cut off`, {
      cause: error,
      hint: "Look at it with qemu-img check, or copy it again.",
    });
  }
}

/** The first bytes of the disk itself, by way of a file in `dir`. */
async function readStart(
  file: SourceFile,
  bytes: number,
  dir: string,
  options: { readonly signal?: AbortSignal },
): Promise<Buffer> {
  const node = { driver: "raw", offset: 0, size: bytes, file: sourceNode(file) };
  const path = join(dir, "start");
  const args = ["convert", "-O", "raw", `json:${JSON.stringify(node)}`, path];
  await run(QEMU_IMG, args, { ...options, timeoutMs: LOOK_TIMEOUT_MS });
  try {
    return await readFile(path);
  } finally {
    await rm(path, { force: true });
  }
}

/**
 * Looks at an image without changing it.
 * @param dir private folder for a moment's file
 * @param stated its format; null finds out
 * @throws what `readSourceFile` does; CONFLICT if a program writes to it; DAMAGED; USAGE if nothing could start from it
 */
export async function inspectSource(
  path: string,
  stated: ImageFormat | null,
  dir: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<SourceImage> {
  const file = await readSourceFile(path, stated);
  try {
    const args = ["info", "--output=json", `json:${JSON.stringify(sourceNode(file))}`];
    const { stdout } = await run(QEMU_IMG, args, { ...options, timeoutMs: LOOK_TIMEOUT_MS });
    const info = infoSchema.parse(JSON.parse(stdout.toString()));
    const virtualBytes = info["virtual-size"];
    await checkTables(file, options);
    const start = await readStart(file, Math.min(BOOT_RECORD_BYTES, virtualBytes), dir, options);
    const boot = readBootRecord(start, virtualBytes, path);
    if (boot !== null) return { ...file, virtualBytes, snapshots: info.snapshots.length, boot };
  } catch (error) {
    throw imageFailure(path, error);
  }
  throw new HomewardError("USAGE", `${path} is no disk that a machine could start from: it has no boot sector`, {
    hint: "It should be a whole disk in the format qcow2, raw, vmdk or vdi, not a partition nor another file.",
  });
}
