import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { mergeLayers } from "../../vm/disk-image.ts";
import { freshDir } from "../store/durable.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import type { Store } from "../store/store.ts";
import type { WorkspaceDeps } from "./dependencies.ts";
import type { Workspace } from "./workspace.ts";

/**
 * Generations kept for each workspace: its base, the one before (what a rehearsal starts from) and one more, for a host
 * that missed a move. Each costs as much disk as the guest's RAM.
 */
export const GENERATIONS_KEPT = 3;
/** Reads look through every layer, so a longer chain is made short. */
export const MAX_LAYERS = 8;

/** Roots that are still of use: the newest of every workspace, and whatever an unfinished migration needs. */
export function wantedGenerations(store: Store): Set<string> {
  const wanted = new Set<string>();
  for (const { base } of store.workspaces.list()) {
    let root = base;
    for (let i = 0; i < GENERATIONS_KEPT && root !== null; i++) {
      const generation = store.generations.get(root);
      if (generation === null) break;
      wanted.add(root);
      root = generation.manifest.parent;
    }
  }
  for (const { base, root } of store.migrations.unfinished()) {
    wanted.add(base);
    if (root !== null) wanted.add(root);
  }
  return wanted;
}

/** Removes generations that are no longer wanted, with the input logs that began at them. */
export async function dropOldGenerations(store: Store, workspaces: readonly Workspace[]): Promise<void> {
  // An operation may be about to open files by names that it has looked up already.
  await Promise.all(workspaces.map((workspace) => workspace.idle()));
  // A migration holds on to files by their names: none of them disappears while there is one.
  if (store.migrations.unfinished().length > 0) return;
  const wanted = wantedGenerations(store);
  for (const root of store.generations.roots()) {
    if (wanted.has(root)) continue;
    for (const workspace of workspaces) if (workspace.recordsInput) await workspace.inputLog.truncate(root);
    await store.generations.delete(root);
  }
  await store.generations.collectGarbage();
}

/**
 * Merges the upper layers of a generation with too many of them. Machines that run keep the files they have open; the
 * lists change in one moment, and what they describe stays the same.
 */
export async function shortenChain(deps: WorkspaceDeps, generation: GenerationRecord, workspace: Workspace): Promise<void> {
  const bottom = generation.layerIds.at(-1);
  if (generation.layerIds.length <= MAX_LAYERS || bottom === undefined) return;
  const dir = deps.store.paths.incomingOf(`merge-${randomUUID()}`);
  await freshDir(dir);
  try {
    const merged = join(dir, "disk.qcow2");
    await mergeLayers(generation.layers, merged, { signal: deps.stopping });
    await workspace.betweenOperations("tidying", () =>
      deps.store.generations.addLayer(merged, (id) => {
        deps.store.generations.replaceBottom(generation.layerIds, [id, bottom]);
      }),
    );
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
