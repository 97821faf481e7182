import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import type { GenerationManifest } from "../../protocol/generation.ts";
import type { Bitmap } from "../../syncer/bitmap.ts";
import { openFileBlocks, type BlockDevice } from "../../syncer/block-device.ts";
import { BlockHashes } from "../../syncer/block-hashes.ts";
import { dirtyBlocks } from "../../syncer/dirty.ts";
import { generationRoot } from "../../syncer/generation-root.ts";
import { MerkleTree } from "../../syncer/merkle.ts";
import { openDisk } from "../../vm/disk-blocks.ts";
import { freshDir } from "../store/durable.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import { generationPaths } from "../store/paths.ts";
import type { OperationOptions, WorkspaceDeps } from "./dependencies.ts";
import type { GenerationParts, SavedMachine } from "./saved-machine.ts";

export interface GenerationSource {
  /** Short id of the workspace: names the folder of the result. */
  readonly id: string;
  readonly saved: SavedMachine;
  /** What it grew from; only what differs is hashed then. */
  readonly base: GenerationRecord | null;
}

/**
 * Hashes a saved machine. The trees and block hashes are written to `dir`, in incoming/, and wait there to be installed
 * by `GenerationsStore.install`; removing the folder afterwards is the caller's.
 */
export async function buildGeneration(
  deps: WorkspaceDeps,
  source: GenerationSource,
  options: OperationOptions,
): Promise<{ readonly parts: GenerationParts; readonly dir: string }> {
  const { saved, base } = source;
  const out = generationPaths(deps.store.paths.incomingOf(`seal-${source.id}`));
  await freshDir(out.dir);
  const ramRoot = await hashRam(deps, saved, base, { tree: out.ramTree, hashes: out.ramHashes }, options);
  const diskRoot = await hashDisk(deps, source, { tree: out.diskTree, hashes: out.diskHashes }, options);
  const device = await hashFile(saved.devicePath);
  const content = { machine: saved.machine, ramRoot, diskRoot, deviceSha256: device.sha256 };
  const manifest: GenerationManifest = {
    format: 1,
    root: generationRoot(content),
    ...content,
    deviceBytes: device.bytes,
    parent: base?.root ?? null,
    createdAt: new Date().toISOString(),
  };
  const files = { ramTreePath: out.ramTree, diskTreePath: out.diskTree };
  const hashes = { ramHashesPath: out.ramHashes, diskHashesPath: out.diskHashes };
  return { parts: { manifest, ...files, ...hashes }, dir: out.dir };
}

/** SHA-256 of a file, in hexadecimal. Read in pieces, so that the event loop stays free. */
export async function hashFile(path: string): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash("sha256");
  let bytes = 0;
  await pipeline(createReadStream(path, { highWaterMark: 256 * 1024 }), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  });
  return { sha256: hash.digest("hex"), bytes };
}

interface HashFiles {
  readonly tree: string;
  readonly hashes: string;
}

async function hashRam(
  deps: WorkspaceDeps,
  saved: SavedMachine,
  base: GenerationRecord | null,
  out: HashFiles,
  options: OperationOptions,
): Promise<string> {
  const ram = await openFileBlocks(saved.ramPath);
  try {
    if (base === null) return await hashAll(deps, ram, out, options);
    const before = await openFileBlocks(base.ramPath);
    try {
      const dirty = await dirtyBlocks(ram, before, deps.hashPool, options);
      return await hashDirty(deps, ram, dirty, { tree: base.ramTreePath, hashes: base.ramHashesPath }, out, options);
    } finally {
      await before.close();
    }
  } finally {
    await ram.close();
  }
}

async function hashDisk(
  deps: WorkspaceDeps,
  { saved, base }: GenerationSource,
  out: HashFiles,
  options: OperationOptions,
): Promise<string> {
  const { dir: runDir } = await deps.runDirs.scratch();
  const open = { writable: false, runDir, ...(options.signal === undefined ? {} : { signal: options.signal }) };
  try {
    const disk = await openDisk(saved.layers, open);
    try {
      if (base === null) return await hashAll(deps, disk, out, options);
      const before = await openDisk(base.layers, open);
      try {
        const dirty = await dirtyBlocks(disk, before, deps.hashPool, { ...options, candidates: disk.allocated() });
        return await hashDirty(deps, disk, dirty, { tree: base.diskTreePath, hashes: base.diskHashesPath }, out, options);
      } finally {
        await before.close();
      }
    } finally {
      await disk.close();
    }
  } finally {
    await rm(runDir, { recursive: true, force: true });
  }
}

/** Reads a whole device, writes its tree and block hashes. Returns the root. */
export async function hashAll(
  deps: Pick<WorkspaceDeps, "hashPool">,
  device: BlockDevice,
  out: HashFiles,
  options: OperationOptions,
): Promise<string> {
  const tree = await MerkleTree.build(device, deps.hashPool, options);
  await writeFile(out.tree, await tree.encode(), { mode: 0o600 });
  const hashes = await BlockHashes.build(out.hashes, device, deps.hashPool, options);
  await hashes.close();
  return tree.root;
}

async function hashDirty(
  deps: WorkspaceDeps,
  device: BlockDevice,
  dirty: Bitmap,
  base: HashFiles,
  out: HashFiles,
  options: OperationOptions,
): Promise<string> {
  const before = await MerkleTree.decode(await readFile(base.tree));
  const tree = await before.update(device, dirty, deps.hashPool, options);
  await writeFile(out.tree, await tree.encode(), { mode: 0o600 });
  const known = await BlockHashes.open(base.hashes);
  try {
    const hashes = await known.update(out.hashes, device, dirty, deps.hashPool, options);
    await hashes.close();
  } finally {
    await known.close();
  }
  return tree.root;
}
