import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { HomewardError } from "../../common/errors.ts";
import { generationManifestSchema, type GenerationManifest } from "../../protocol/generation.ts";

/** A generation as it lies in a host's state folder (docs/on-disk.md). Paths are absolute. */
export interface StoredGeneration {
  readonly manifest: GenerationManifest;
  readonly ram: string;
  readonly device: string;
  /** Disk layers, top first. */
  readonly layers: readonly string[];
}

/** Layers are listed in the host's database, top first; what a layer's own header says of what lies below is not believed. */
function layersOf(stateDir: string, root: string): string[] {
  const db = new DatabaseSync(join(stateDir, "homeward.db"), { readOnly: true });
  try {
    return db
      .prepare("SELECT layer FROM generation_layers WHERE root = ? ORDER BY position")
      .all(root)
      .map((row) => join(stateDir, "layers", `${String(row["layer"])}.qcow2`));
  } finally {
    db.close();
  }
}

/** Finds a generation in a state folder without asking the service. @throws NOT_FOUND, DAMAGED */
export async function readStoredGeneration(stateDir: string, root: string): Promise<StoredGeneration> {
  const dir = join(stateDir, "generations", root);
  const parsed = generationManifestSchema.safeParse(
    JSON.parse(await readFile(join(dir, "generation.json"), "utf8")) as unknown,
  );
  if (!parsed.success)
    throw new HomewardError("DAMAGED", `${join(dir, "generation.json")} is not a generation`, { cause: parsed.error });
  const layers = layersOf(stateDir, root);
  if (layers.length === 0) throw new HomewardError("NOT_FOUND", `${stateDir} lists no disk for ${root}`);
  return { manifest: parsed.data, ram: join(dir, "ram"), device: join(dir, "device"), layers };
}
