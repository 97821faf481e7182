import { stat } from "node:fs/promises";
import { HomewardError } from "../../common/errors.ts";
import { MAX_PUSHED_LAYERS, type PushedFile } from "../../protocol/push.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import type { Store } from "../store/store.ts";
import { bootFiles } from "../workspaces/dependencies.ts";

/** stat(2) counts in units of this many bytes. */
const STAT_BLOCK_BYTES = 512;

export interface OutgoingFile extends PushedFile {
  /** Absolute. */
  readonly path: string;
}

/**
 * The files that make a generation, small ones first: by those the link is measured. Trees and block hashes are not among
 * them, the other host makes its own when it reads what has landed.
 */
export async function generationFiles(store: Store, generation: GenerationRecord): Promise<OutgoingFile[]> {
  const { kernelPath, initrdPath } = bootFiles(store, generation.manifest.machine);
  const { layers } = generation;
  if (layers.length > MAX_PUSHED_LAYERS)
    throw new HomewardError("CONFLICT", `the disk has ${layers.length} layers, and ${MAX_PUSHED_LAYERS} are the most that can be pushed`, {
      hint: `"homeward gc" merges them.`,
    });
  const paths: readonly (readonly [string, string | null])[] = [
    ["device", generation.devicePath],
    ["kernel", kernelPath],
    ["initrd", initrdPath],
    ["ram", generation.ramPath],
    ...layers.map((path, at) => [`layer-${at}`, path] as const),
  ];
  const files: OutgoingFile[] = [];
  for (const [name, path] of paths) {
    if (path === null) continue;
    const { size, blocks } = await stat(path);
    files.push({ name, path, bytes: size, allocated: Math.min(size, blocks * STAT_BLOCK_BYTES) });
  }
  return files;
}
