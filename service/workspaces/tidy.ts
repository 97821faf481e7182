import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { mergeLayers } from "../../vm/disk-image.ts";
import { freshDir } from "../store/durable.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import type { WorkspaceDeps } from "./dependencies.ts";
import type { Workspace } from "./workspace.ts";

/** Reads look through every layer, so a longer chain is made short. */
export const MAX_LAYERS = 8;

/** Whether a generation has more layers than it should, and there is more than one to merge. */
export function isLong({ layerIds }: GenerationRecord): boolean {
  return layerIds.length > MAX_LAYERS;
}

/**
 * Merges the upper layers of a generation with too many of them. Machines that run keep the files they have open; the
 * lists change in one moment, and what they describe stays the same.
 */
export async function shortenChain(deps: WorkspaceDeps, generation: GenerationRecord, workspace: Workspace): Promise<void> {
  const bottom = generation.layerIds.at(-1);
  if (bottom === undefined) return;
  const letGo = deps.store.generations.hold(generation.root);
  const run = await deps.runDirs.scratch();
  const dir = deps.store.paths.incomingOf(`merge-${randomUUID()}`);
  try {
    await freshDir(dir);
    const merged = join(dir, "disk.qcow2");
    await mergeLayers(generation.layers, merged, { runDir: run.dir, signal: deps.stopping });
    await workspace.betweenOperations("tidying", () =>
      deps.store.generations.addLayer(merged, (id) => {
        deps.store.generations.replaceBottom(generation.layerIds, [id, bottom]);
      }),
    );
  } finally {
    letGo();
    for (const each of [dir, run.dir]) await rm(each, { recursive: true, force: true });
  }
}
