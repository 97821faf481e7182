import { randomUUID } from "node:crypto";
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { HomewardError } from "../../common/errors.ts";
import { generationManifestSchema, type GenerationManifest } from "../../protocol/generation.ts";
import { BLOCK_BYTES } from "../../protocol/residual.ts";
import { openFileBlocks, type BlockDevice } from "../../syncer/block-device.ts";
import { copyFileSparse } from "../../syncer/copy-sparse.ts";
import { generationRoot } from "../../syncer/generation-root.ts";
import { MerkleTree } from "../../syncer/merkle.ts";
import { openDisk } from "../../vm/disk-blocks.ts";
import { convertImage, imageVirtualBytes } from "../../vm/disk-image.ts";
import { addBlob } from "../store/blobs.ts";
import { freshDir, syncFile } from "../store/durable.ts";
import { EXPORT_FILES, generationPaths, type GenerationPaths } from "../store/paths.ts";
import type { OperationOptions, WorkspaceDeps } from "./dependencies.ts";
import { readBounded } from "./guest-folder.ts";
import { hashFile } from "./hash-generation.ts";

const MAX_MANIFEST_BYTES = 64 * 1024;
/** generation.json names the machine and its parent, but the tree of a terabyte disk is half a gigabyte. */
const MAX_TREE_BYTES = 1024 * 1024 * 1024;

function damaged(path: string, expected: string, actual: string): HomewardError {
  return new HomewardError("DAMAGED", `${path} does not have the hash it should have`, {
    hint: "Copy or export the generation again.",
    data: { path, expected, actual },
  });
}

/** Reads DIR/generation.json and checks that its root follows from its parts. @throws NOT_FOUND, DAMAGED */
export async function readGenerationFolder(dir: string): Promise<GenerationManifest> {
  const path = generationPaths(dir).manifest;
  const text = await readBounded(path, MAX_MANIFEST_BYTES);
  let manifest: GenerationManifest;
  try {
    manifest = generationManifestSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new HomewardError("DAMAGED", `${path} does not describe a generation`, { cause });
  }
  const actual = generationRoot(manifest);
  if (actual !== manifest.root) throw damaged(path, manifest.root, actual);
  return manifest;
}

async function requireTree(path: string, root: string, bytes: number): Promise<void> {
  const { size } = await stat(path);
  if (size > MAX_TREE_BYTES) throw new HomewardError("DAMAGED", `${path} is too large for a hash tree`);
  const tree = await MerkleTree.decode(await readFile(path), bytes / BLOCK_BYTES);
  if (tree.root !== root) throw damaged(path, root, tree.root);
}

async function requireContent(
  deps: WorkspaceDeps,
  what: string,
  device: BlockDevice & { close(): Promise<void> },
  root: string,
  options: OperationOptions,
): Promise<void> {
  try {
    const tree = await MerkleTree.build(device, deps.hashPool, options);
    if (tree.root !== root) throw damaged(what, root, tree.root);
  } finally {
    await device.close();
  }
}

/** Reads all of RAM and disk. @throws DAMAGED */
async function checkContent(
  deps: WorkspaceDeps,
  manifest: GenerationManifest,
  files: GenerationPaths,
  disk: string,
  options: OperationOptions,
): Promise<void> {
  await requireContent(deps, files.ram, await openFileBlocks(files.ram), manifest.ramRoot, options);
  const run = await deps.runDirs.scratch();
  try {
    const open = { writable: false, runDir: run.dir, ...(options.signal === undefined ? {} : { signal: options.signal }) };
    await requireContent(deps, disk, await openDisk([disk], open), manifest.diskRoot, options);
  } finally {
    await rm(run.dir, { recursive: true, force: true });
  }
}

export interface ImportOptions extends OperationOptions {
  /** RAM and disk were checked against the root before; only the small files are checked again. */
  readonly verified: boolean;
  /** More changes of the database in the same moment; gets the layers of the generation, top first. */
  readonly together: (layerIds: readonly string[]) => void;
}

/**
 * Takes an exported generation into the store. Nothing of the folder is used later.
 * @throws DAMAGED if anything in it is not what its root says, NOT_FOUND, NO_ROOM, CANCELLED
 */
export async function importGeneration(
  deps: WorkspaceDeps,
  dir: string,
  manifest: GenerationManifest,
  options: ImportOptions,
): Promise<void> {
  const from = generationPaths(dir);
  const { machine } = manifest;
  const known = deps.store.generations.get(manifest.root);
  if (known !== null) {
    await deps.generationCheck.requireIntact(known, {
      ...options,
      hint: "Delete every workspace on this host that is based on it, then create it again.",
    });
    deps.store.transaction(() => {
      options.together(known.layerIds);
    });
    return;
  }
  if (machine.kernel !== null) await addBlob(deps.store.paths, join(dir, EXPORT_FILES.kernel), machine.kernel);
  if (machine.initrd !== null) await addBlob(deps.store.paths, join(dir, EXPORT_FILES.initrd), machine.initrd);
  const to = generationPaths(deps.store.paths.incomingOf(`import-${randomUUID()}`));
  const disk = join(to.dir, EXPORT_FILES.disk);
  await freshDir(to.dir);
  try {
    for (const file of ["ram", "device", "ramTree", "diskTree", "ramHashes", "diskHashes"] as const) {
      await copyFileSparse(from[file], to[file], options);
      await syncFile(to[file]);
    }
    // Also makes sure that the image does not refer to any other file.
    await convertImage(join(dir, EXPORT_FILES.disk), disk, options);
    await checkFiles(manifest, to, disk);
    if (!options.verified) await checkContent(deps, manifest, to, disk, options);
    const generation = await deps.store.generations.install(
      {
        manifest,
        ramPath: to.ram,
        devicePath: to.device,
        ramTreePath: to.ramTree,
        diskTreePath: to.diskTree,
        ramHashesPath: to.ramHashes,
        diskHashesPath: to.diskHashes,
        topLayer: disk,
        below: [],
      },
      options.together,
    );
    await rm(to.dir, { recursive: true, force: true });
    if (!options.verified) await deps.generationCheck.vouch(generation);
  } finally {
    await rm(to.dir, { recursive: true, force: true });
  }
}

/** What can be checked without reading RAM and disk. */
async function checkFiles(manifest: GenerationManifest, files: GenerationPaths, disk: string): Promise<void> {
  const device = await hashFile(files.device);
  if (device.sha256 !== manifest.deviceSha256) throw damaged(files.device, manifest.deviceSha256, device.sha256);
  const { memoryBytes, diskBytes } = manifest.machine;
  await requireTree(files.ramTree, manifest.ramRoot, memoryBytes);
  await requireTree(files.diskTree, manifest.diskRoot, diskBytes);
  const { size } = await stat(files.ram);
  if (size !== memoryBytes) throw damaged(files.ram, `${memoryBytes} bytes`, `${size} bytes`);
  const virtualBytes = await imageVirtualBytes(disk);
  if (virtualBytes !== diskBytes) throw damaged(disk, `${diskBytes} bytes`, `${virtualBytes} bytes`);
}
