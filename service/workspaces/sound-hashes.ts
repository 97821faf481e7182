import { randomUUID } from "node:crypto";
import { chmod, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { BLOCK_BYTES, openFileBlocks, type BlockDevice } from "../../syncer/block-device.ts";
import { BlockHashes } from "../../syncer/block-hashes.ts";
import { openDisk } from "../../vm/disk-blocks.ts";
import { freshDir, syncDir, syncFile } from "../store/durable.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import type { OperationOptions, WorkspaceDeps } from "./dependencies.ts";

type HashDeps = Pick<WorkspaceDeps, "store" | "hashPool" | "runDirs" | "log">;

/** Places of the RAM, spread evenly, whose stored hashes are compared, and blocks at each. */
const SAMPLES = 16;
const SAMPLE_BLOCKS = 16;
const HASH_BYTES = 8;

/**
 * Makes the block hashes of a stored generation's RAM anew if they are missing, of the wrong length, or not those of its
 * content in a few samples. Wrong ones only cost bytes, but without any no exchange and no seal can begin.
 * @throws NO_ROOM, CANCELLED, and whatever keeps the RAM from being read
 */
export async function mendRamHashes(deps: HashDeps, generation: GenerationRecord, options: OperationOptions): Promise<void> {
  const ram = await openFileBlocks(generation.ramPath);
  try {
    if (await isSound(deps, generation.ramHashesPath, ram.blocks, ram)) return;
    await rebuild(deps, generation.ramHashesPath, ram, options);
  } finally {
    await ram.close();
  }
}

/** The same for its disk, without samples. @throws NO_ROOM, GUEST, CANCELLED */
export async function mendDiskHashes(deps: HashDeps, generation: GenerationRecord, options: OperationOptions): Promise<void> {
  const { layers, diskHashesPath, manifest } = generation;
  if (await isSound(deps, diskHashesPath, manifest.machine.diskBytes / BLOCK_BYTES, null)) return;
  const run = await deps.runDirs.scratch();
  try {
    const signal = options.signal === undefined ? {} : { signal: options.signal };
    const disk = await openDisk(layers, { writable: false, runDir: run.dir, ...signal });
    try {
      await rebuild(deps, diskHashesPath, disk, options);
    } finally {
      await disk.close();
    }
  } finally {
    await rm(run.dir, { recursive: true, force: true });
  }
}

async function isSound(deps: HashDeps, path: string, blocks: number, content: BlockDevice | null): Promise<boolean> {
  const hashes = await BlockHashes.open(path).catch(() => null);
  if (hashes === null) return false;
  try {
    return hashes.blocks === blocks && (content === null || (await samplesMatch(deps, hashes, content)));
  } finally {
    await hashes.close();
  }
}

async function samplesMatch(deps: HashDeps, hashes: BlockHashes, content: BlockDevice): Promise<boolean> {
  const stored = Buffer.alloc(SAMPLE_BLOCKS * HASH_BYTES);
  for (let i = 0; i < SAMPLES; i++) {
    const block = Math.floor((i * content.blocks) / SAMPLES);
    const count = Math.min(SAMPLE_BLOCKS, content.blocks - block);
    const actual = await deps.hashPool.hashBlocks({ kind: "data", data: await content.read(block, count) });
    if (!(await hashes.window(block, stored.subarray(0, count * HASH_BYTES))).equals(actual)) return false;
  }
  return true;
}

/** The file has its name when it is complete and synced. */
async function rebuild(deps: HashDeps, path: string, content: BlockDevice, options: OperationOptions): Promise<void> {
  deps.log.warn({ path }, "making damaged block hashes anew");
  const dir = deps.store.paths.incomingOf(`hashes-${randomUUID()}`);
  await freshDir(dir);
  try {
    const made = join(dir, basename(path));
    await (await BlockHashes.build(made, content, deps.hashPool, options)).close();
    await chmod(made, 0o400);
    await syncFile(made);
    await rename(made, path);
    await syncDir(dirname(path));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
