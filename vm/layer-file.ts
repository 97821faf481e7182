import { once } from "node:events";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { abortReason, throwIfAborted } from "../common/abort.ts";
import { HomewardError } from "../common/errors.ts";
import { noProgress, type Progress } from "../common/progress.ts";
import { run, start } from "../common/spawn.ts";
import { syncFiles } from "./device-state.ts";
import { checkLayers, readQcow2Header } from "./image-header.ts";
import { imageFailure, sourceNode, type SourceImage } from "./source/source-image.ts";

const QEMU_IMG = "qemu-img";
const CREATE_TIMEOUT_MS = 60_000;

/**
 * 32 subclusters of 4 KiB a cluster, so that an overlay's allocation tells exactly which 4 KiB blocks were written;
 * without extended_l2 it is 64 KiB-grained.
 */
const LAYER_OPTIONS = "cluster_size=128k,extended_l2=on,lazy_refcounts=off";

export interface ImageOptions {
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** Makes the file's content and its name durable. */
async function syncWithName(path: string): Promise<void> {
  await syncFiles([path]);
  await syncFiles([dirname(path)]);
}

/**
 * Creates an empty layer on top of `backing` (absolute paths, top first; may be empty). The header names no backing
 * file: the chain is given explicitly wherever the layer is opened.
 * @throws CONFLICT if `path` exists, DAMAGED if the layer would be smaller than what is below it, NO_ROOM
 */
export async function createOverlay(path: string, backing: readonly string[], virtualBytes: number): Promise<void> {
  if (backing.length > 0) await checkLayers(backing);
  for (const below of backing) {
    const bytes = await imageVirtualBytes(below);
    if (bytes > virtualBytes)
      throw new HomewardError("DAMAGED", `a layer of ${virtualBytes} bytes would cut off ${below} of ${bytes} bytes`);
  }
  try {
    // Claims the name: qemu-img would overwrite what is there.
    await (await open(path, "wx", 0o600)).close();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
    throw new HomewardError("CONFLICT", `${path} exists already`, { cause });
  }
  const args = ["create", "-q", "-f", "qcow2", "-o", LAYER_OPTIONS, "--", path, String(virtualBytes)];
  try {
    await run(QEMU_IMG, args, { timeoutMs: CREATE_TIMEOUT_MS });
    await syncWithName(path);
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

/** Size of the disk in bytes, as the guest sees it. @throws DAMAGED if the file is not qcow2, NOT_FOUND */
export async function imageVirtualBytes(path: string): Promise<number> {
  const header = await readQcow2Header(path);
  if (header !== null) return header.virtualBytes;
  throw new HomewardError("DAMAGED", `${path} is not a qcow2 image`);
}

/** "    (12.34/100%)" */
function percentOf(text: string): number | undefined {
  const shown = [...text.matchAll(/\((\d+(?:\.\d+)?)\/100%\)/g)].at(-1)?.[1];
  return shown === undefined ? undefined : Number(shown);
}

/** @param totalBytes counts bytes instead of percent */
async function runWithPercent(args: readonly string[], options: ImageOptions, totalBytes?: number): Promise<void> {
  const { progress = noProgress, signal } = options;
  const phase = "convert";
  throwIfAborted(signal);
  const child = await start(QEMU_IMG, args);
  // Not "exit": its last words may still be in the pipes then.
  const closed = once(child, "close");
  let words = "";
  const kill = (): void => {
    child.kill("SIGKILL");
  };
  signal?.addEventListener("abort", kill, { once: true });
  child.stdout?.on("data", (chunk: Buffer) => {
    const percent = percentOf(chunk.toString("latin1"));
    if (percent === undefined) return;
    if (totalBytes === undefined) progress.update({ phase, done: percent, total: 100, unit: "steps" });
    else progress.update({ phase, done: (percent / 100) * totalBytes, total: totalBytes, unit: "bytes" });
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    words = (words + chunk.toString()).slice(-4096);
  });
  await closed;
  signal?.removeEventListener("abort", kill);
  if (signal?.aborted === true) throw abortReason(signal);
  if (child.exitCode === 0) return;
  const code = words.includes("No space left") ? "NO_ROOM" : "GUEST";
  throw new HomewardError(code, `${QEMU_IMG} ended with ${child.exitCode ?? child.signalCode}: ${words.trim()}`, {
    data: { stderr: words },
  });
}

/**
 * Copies a stand-alone image (qcow2 or raw) into a new qcow2 layer that has nothing below it; durable when it resolves.
 * `progress` counts percent.
 * @throws USAGE if the image needs another file to be complete, NOT_FOUND, NO_ROOM, GUEST, CANCELLED
 */
export async function convertImage(from: string, to: string, options: ImageOptions = {}): Promise<void> {
  const header = await readQcow2Header(from);
  if (header?.hasBacking === true)
    throw new HomewardError("USAGE", `${from} is only a layer on top of another image`, {
      hint: "Flatten it first: qemu-img convert -O qcow2 LAYER FLAT",
    });
  const file = { driver: "file", filename: from };
  const node = header === null ? { driver: "raw", file } : { driver: "qcow2", file, backing: null };
  const part = `${to}.part`;
  await rm(part, { force: true });
  // The explicit node keeps qemu-img from guessing: a raw disk may begin with anything its guest wrote there.
  const source = `json:${JSON.stringify(node)}`;
  const layout = ["-O", "qcow2", "-o", LAYER_OPTIONS, "-S", "4k"];
  try {
    await (await open(part, "wx", 0o600)).close();
    await runWithPercent(["convert", "-p", "-t", "writeback", ...layout, "--", source, part], options);
    await syncFiles([part]);
    await rename(part, to);
    await syncFiles([dirname(to)]);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

/**
 * Copies somebody else's image into a new layer of `diskBytes` that has nothing below it; what the image does not hold
 * takes no room. Durable when it resolves. `progress` counts what the image's file takes.
 * @param diskBytes at least as large as the image, which is filled up with zeroes
 * @throws CONFLICT if a program writes to the image or `to` exists; DAMAGED, NO_ROOM, CANCELLED
 */
export async function importImage(
  from: SourceImage,
  to: string,
  diskBytes: number,
  options: ImageOptions = {},
): Promise<void> {
  const source = `json:${JSON.stringify(sourceNode(from))}`;
  await createOverlay(to, [], diskBytes);
  // -n: a new file would get the image's own size, which need not be a whole number of blocks.
  const into = ["-n", "--target-is-zero", "-O", "qcow2", "-S", "4k"];
  try {
    await runWithPercent(["convert", "-p", "-t", "writeback", ...into, "--", source, to], options, from.allocatedBytes);
    await syncFiles([to]);
  } catch (error) {
    await rm(to, { force: true });
    throw imageFailure(from.path, error);
  }
}

