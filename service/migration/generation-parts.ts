import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { GenerationManifest } from "../../protocol/generation.ts";
import { BlockHashes, MerkleTree, type Bitmap, type BlockDevice } from "../../syncer/index.ts";
import type { ServiceContext } from "../context.ts";
import { syncDir, syncFile, writeFileDurably } from "../store/durable.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import type { GenerationParts } from "../workspaces/workspace.ts";
import { ClosingStack } from "./closing-stack.ts";

export interface Trees {
  readonly ram: MerkleTree;
  readonly disk: MerkleTree;
}

export interface DirtyBlocks {
  readonly ram: Bitmap;
  readonly disk: Bitmap;
}

export interface BaseHashes {
  readonly ram: BlockHashes;
  readonly disk: BlockHashes;
}

export interface PartsOptions {
  readonly base: GenerationRecord;
  readonly manifest: GenerationManifest;
  readonly trees: Trees;
  readonly devices: { readonly ram: BlockDevice; readonly disk: BlockDevice };
  /** Where the devices differ from the base's. */
  readonly dirty: DirtyBlocks;
  readonly dir: string;
  readonly signal: AbortSignal;
}

/** Trees and hashes of a generation that grew from `base`, as synced files in `dir`. */
export async function writeGenerationParts(ctx: ServiceContext, options: PartsOptions): Promise<GenerationParts> {
  const { base, manifest, trees, devices, dirty, dir, signal } = options;
  const parts: GenerationParts = {
    manifest,
    ramTreePath: join(dir, "ram.tree"),
    diskTreePath: join(dir, "disk.tree"),
    ramHashesPath: join(dir, "ram.hashes"),
    diskHashesPath: join(dir, "disk.hashes"),
  };
  await writeFileDurably(parts.ramTreePath, await trees.ram.encode());
  await writeFileDurably(parts.diskTreePath, await trees.disk.encode());
  const closing = new ClosingStack();
  try {
    const before = await openHashes(base, closing);
    const pool = ctx.hashPool;
    closing.add(await before.ram.update(parts.ramHashesPath, devices.ram, dirty.ram, pool, { signal }));
    closing.add(await before.disk.update(parts.diskHashesPath, devices.disk, dirty.disk, pool, { signal }));
  } finally {
    await closing.close();
  }
  for (const path of [parts.ramHashesPath, parts.diskHashesPath]) await syncFile(path);
  await syncDir(dir);
  // The folder's own name, too: once the source has released, what is in it is needed.
  await syncDir(dirname(dir));
  return parts;
}

/** @throws DAMAGED if a stored tree does not belong to the generation */
export async function readTrees(generation: GenerationRecord): Promise<Trees> {
  const ram = await MerkleTree.decode(await readFile(generation.ramTreePath));
  const disk = await MerkleTree.decode(await readFile(generation.diskTreePath));
  return { ram, disk };
}

export async function openHashes(
  generation: GenerationRecord,
  closing: ClosingStack,
): Promise<BaseHashes> {
  return {
    ram: closing.add(await BlockHashes.open(generation.ramHashesPath)),
    disk: closing.add(await BlockHashes.open(generation.diskHashesPath)),
  };
}

export async function fileSha256(path: string): Promise<string> {
  const sha256 = createHash("sha256");
  await pipeline(createReadStream(path), sha256);
  return sha256.digest("hex");
}
