import { rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { HomewardError } from "../../common/errors.ts";
import { copyFileSparse } from "../../syncer/copy-sparse.ts";
import { exists, freshDir, syncDir, syncFile, writeFileDurably } from "../store/durable.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import { EXPORT_FILES, generationPaths } from "../store/paths.ts";
import { bootFiles, type OperationOptions, type WorkspaceDeps } from "./dependencies.ts";
import { flattenDisk } from "./flatten-disk.ts";

/** @throws CONFLICT if there is something already, NOT_FOUND if the folder it is to be in is missing */
export async function requireFreeTarget(dir: string): Promise<void> {
  if (await exists(dir))
    throw new HomewardError("CONFLICT", `${dir} exists already`, { hint: "Give a folder that does not exist yet." });
  if (!(await exists(dirname(dir)))) throw new HomewardError("NOT_FOUND", `there is no folder ${dirname(dir)}`);
}

/**
 * Writes a generation to a folder that holds all that another host needs to take it in; the folder appears when it is
 * complete.
 * @throws CONFLICT if it exists, NO_ROOM, CANCELLED
 */
export async function exportGeneration(
  deps: WorkspaceDeps,
  generation: GenerationRecord,
  dir: string,
  options: OperationOptions,
): Promise<void> {
  await requireFreeTarget(dir);
  await deps.generationCheck.requireIntact(generation, {
    ...options,
    hint: "Start the workspace and seal it again: that makes a generation of what it is now.",
  });
  const partial = `${dir}.partial`;
  const letGo = deps.store.generations.hold(generation.root);
  try {
    await freshDir(partial);
    const to = generationPaths(partial);
    const { kernelPath, initrdPath } = bootFiles(deps.store, generation.manifest.machine);
    const copies: readonly (readonly [string | null, string])[] = [
      [generation.ramPath, to.ram],
      [generation.devicePath, to.device],
      [generation.ramTreePath, to.ramTree],
      [generation.diskTreePath, to.diskTree],
      [generation.ramHashesPath, to.ramHashes],
      [generation.diskHashesPath, to.diskHashes],
      [kernelPath, join(partial, EXPORT_FILES.kernel)],
      [initrdPath, join(partial, EXPORT_FILES.initrd)],
    ];
    for (const [from, target] of copies) {
      if (from === null) continue;
      await copyFileSparse(from, target, options);
      await syncFile(target);
    }
    await flattenDisk(deps, generation.layers, join(partial, EXPORT_FILES.disk), options);
    await writeFileDurably(to.manifest, `${JSON.stringify(generation.manifest, null, 2)}\n`);
    await rename(partial, dir);
    await syncDir(dirname(dir));
    deps.store.generations.noteExported(generation.root);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  } finally {
    letGo();
  }
}
