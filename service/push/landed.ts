import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import type { GenerationManifest } from "../../protocol/generation.ts";
import { openFileBlocks } from "../../syncer/block-device.ts";
import { checkForeignLayer } from "../../vm/foreign-layer.ts";
import { openDisk } from "../../vm/disk-blocks.ts";
import type { ServiceContext } from "../context.ts";
import { addBlob } from "../store/blobs.ts";
import { syncFile } from "../store/durable.ts";
import { EXPORT_FILES, generationPaths } from "../store/paths.ts";
import type { OperationOptions } from "../workspaces/dependencies.ts";
import { hashAll, hashFile } from "../workspaces/hash-generation.ts";

/** Files of a generation that were received, all in one folder, none of them believed yet. */
export interface Landed {
  readonly dir: string;
  readonly manifest: GenerationManifest;
  readonly layers: number;
}

function layerPaths({ dir, layers }: Landed): string[] {
  return Array.from({ length: layers }, (_, at) => join(dir, `layer-${at}`));
}

/**
 * Reads all of it, and makes trees and block hashes beside it.
 * @returns names of the files that are not what the root says, or of which one is not
 * @throws NO_ROOM, GUEST, CANCELLED
 */
export async function wrongParts(ctx: ServiceContext, landed: Landed, options: OperationOptions): Promise<string[]> {
  const { dir, manifest } = landed;
  const { machine, deviceSha256, ramRoot, diskRoot } = manifest;
  const wrong: string[] = [];
  const small: readonly (readonly [string, string | undefined])[] = [
    ["device", deviceSha256],
    ["kernel", machine.kernel?.sha256],
    ["initrd", machine.initrd?.sha256],
  ];
  for (const [name, sha256] of small)
    if (sha256 !== undefined && (await hashFile(join(dir, name))).sha256 !== sha256) wrong.push(name);
  const files = generationPaths(dir);
  for (const path of [files.ramTree, files.ramHashes, files.diskTree, files.diskHashes]) await rm(path, { force: true });
  if ((await ramRootOf(ctx, landed, options)) !== ramRoot) wrong.push("ram");
  const layers = layerPaths(landed);
  const unsound = await unsoundLayers(layers, machine.diskBytes);
  if (unsound.length > 0) return [...wrong, ...unsound];
  const { dir: runDir } = await ctx.runDirs.scratch();
  try {
    const disk = await openDisk(layers, { writable: false, runDir, ...(options.signal === undefined ? {} : { signal: options.signal }) });
    try {
      const root = await hashAll(ctx, disk, { tree: files.diskTree, hashes: files.diskHashes }, options);
      if (root !== diskRoot) wrong.push(...layers.map((_, at) => `layer-${at}`));
    } finally {
      await disk.close();
    }
  } catch (thrown) {
    // An image that QEMU cannot read is no reason to say that QEMU has failed.
    if (toHomewardError(thrown).code !== "GUEST") throw thrown;
    ctx.log.warn({ err: thrown }, "a pushed disk cannot be read");
    wrong.push(...layers.map((_, at) => `layer-${at}`));
  } finally {
    await rm(runDir, { recursive: true, force: true });
  }
  return wrong;
}

async function ramRootOf(ctx: ServiceContext, { dir, manifest }: Landed, options: OperationOptions): Promise<string> {
  const { ram, ramTree, ramHashes } = generationPaths(dir);
  if ((await stat(ram)).size !== manifest.machine.memoryBytes) return "";
  const blocks = await openFileBlocks(ram);
  try {
    return await hashAll(ctx, blocks, { tree: ramTree, hashes: ramHashes }, options);
  } finally {
    await blocks.close();
  }
}

/** Layers that no QEMU may open: they refer to another file, or are no layer of this disk. */
async function unsoundLayers(layers: readonly string[], diskBytes: number): Promise<string[]> {
  const names: string[] = [];
  for (const [at, path] of layers.entries())
    try {
      await checkForeignLayer(path, diskBytes);
    } catch (thrown) {
      if (toHomewardError(thrown).code !== "PEER") throw thrown;
      names.push(`layer-${at}`);
    }
  return names;
}

/**
 * Makes a generation of what `wrongParts` found right. Durable when it resolves; the files keep their names.
 * @param together more changes of the database in the same moment; gets the ids of the layers, top first
 */
export async function installLanded(
  ctx: ServiceContext,
  landed: Landed,
  together: (layerIds: readonly string[]) => void,
): Promise<void> {
  const { dir, manifest } = landed;
  const { kernel, initrd } = manifest.machine;
  const files = generationPaths(dir);
  const [topLayer, ...lowerLayers] = layerPaths(landed);
  if (topLayer === undefined) throw new HomewardError("INTERNAL", "a disk has at least one layer");
  const letGo = ctx.store.generations.hold(manifest.root);
  try {
    if (kernel !== null) await addBlob(ctx.store.paths, join(dir, EXPORT_FILES.kernel), kernel);
    if (initrd !== null) await addBlob(ctx.store.paths, join(dir, EXPORT_FILES.initrd), initrd);
    for (const path of [files.ramTree, files.ramHashes, files.diskTree, files.diskHashes]) await syncFile(path);
    const generation = await ctx.store.generations.install(
      {
        manifest,
        ramPath: files.ram,
        devicePath: files.device,
        ramTreePath: files.ramTree,
        diskTreePath: files.diskTree,
        ramHashesPath: files.ramHashes,
        diskHashesPath: files.diskHashes,
        topLayer,
        lowerLayers,
        below: [],
      },
      together,
    );
    await ctx.generationCheck.vouch(generation);
  } finally {
    letGo();
  }
}
