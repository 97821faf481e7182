import { chmod, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import { generationManifestSchema, type GenerationManifest } from "../../protocol/generation.ts";
import { now, storedJson, text, textOrNull, type Database } from "./database.ts";
import { freshDir, linkOver, syncDir, syncFile, writeFileDurably } from "./durable.ts";
import type { LayersTable } from "./layers-table.ts";
import type { GenerationPaths, StatePaths } from "./paths.ts";
import type { WorkspacesTable } from "./workspaces-table.ts";

/** A generation that this host holds: complete and never changed again. Paths are absolute. */
export interface GenerationRecord {
  readonly root: string;
  readonly manifest: GenerationManifest;
  /** Disk layers, top first. */
  readonly layers: readonly string[];
  readonly layerIds: readonly string[];
  readonly ramPath: string;
  readonly devicePath: string;
  readonly ramTreePath: string;
  readonly diskTreePath: string;
  readonly ramHashesPath: string;
  readonly diskHashesPath: string;
}

/** Files that become a generation. They must be on the state folder's file system: they get a second name, not a copy. */
export interface NewGeneration {
  readonly manifest: GenerationManifest;
  readonly ramPath: string;
  readonly devicePath: string;
  readonly ramTreePath: string;
  readonly diskTreePath: string;
  readonly ramHashesPath: string;
  readonly diskHashesPath: string;
  /** qcow2 image that becomes the top layer. Nobody may write to it from now on. */
  readonly topLayer: string;
  /** More images that become layers, between that one and `below`, top first. */
  readonly lowerLayers?: readonly string[];
  /** Ids of the layers under it, top first. */
  readonly below: readonly string[];
}

const FILES = ["ram", "device", "ramTree", "diskTree", "ramHashes", "diskHashes"] as const;

/** The generations of this host: folders in generations/, files in layers/, and the rows that make them valid. */
export class GenerationsStore {
  readonly #db: Database;
  readonly #paths: StatePaths;
  readonly #layers: LayersTable;
  readonly #workspaces: WorkspacesTable;
  /** How often each generation is held; see `hold`. */
  readonly #held = new Map<string, number>();
  /** Adding files and removing unknown ones exclude each other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(db: Database, paths: StatePaths, layers: LayersTable, workspaces: WorkspacesTable) {
    this.#db = db;
    this.#paths = paths;
    this.#layers = layers;
    this.#workspaces = workspaces;
  }

  get(root: string): GenerationRecord | null {
    const row = this.#db.get("SELECT manifest FROM generations WHERE root = ?", root);
    if (row === null) return null;
    const layerIds = this.#db
      .all("SELECT layer FROM generation_layers WHERE root = ? ORDER BY position", root)
      .map((layer) => text(layer, "layer"));
    const at = this.#paths.generation(root);
    return {
      root,
      manifest: storedJson(row, "manifest", generationManifestSchema),
      layers: layerIds.map((id) => this.#paths.layer(id)),
      layerIds,
      ramPath: at.ram,
      devicePath: at.device,
      ramTreePath: at.ramTree,
      diskTreePath: at.diskTree,
      ramHashesPath: at.ramHashes,
      diskHashesPath: at.diskHashes,
    };
  }

  /** @throws NOT_FOUND */
  require(root: string): GenerationRecord {
    const found = this.get(root);
    if (found === null)
      throw new HomewardError("NOT_FOUND", `this host does not hold generation ${root.slice(0, 12)}`, {
        data: { root },
      });
    return found;
  }

  /**
   * Keeps a generation and all layers for work that refers to files by their names and has no record in the database that
   * says so.
   * @returns lets go of it
   */
  hold(root: string): () => void {
    this.#held.set(root, (this.#held.get(root) ?? 0) + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = (this.#held.get(root) ?? 0) - 1;
      if (left > 0) this.#held.set(root, left);
      else this.#held.delete(root);
    };
  }

  get held(): ReadonlySet<string> {
    return new Set(this.#held.keys());
  }

  /** Notes that it was written to a folder, from which another host may have been made. */
  noteExported(root: string): void {
    // Later than any other, though the clock may have been set back since.
    const newest = textOrNull(this.#db.get("SELECT max(exported_at) AS newest FROM generations") ?? {}, "newest");
    const after = newest === null ? "" : new Date(Date.parse(newest) + 1).toISOString();
    this.#db.run("UPDATE generations SET exported_at = ? WHERE root = ?", after > now() ? after : now(), root);
  }

  /** Roots of what was exported, newest first. */
  exported(): string[] {
    return this.#db
      .all("SELECT root FROM generations WHERE exported_at IS NOT NULL ORDER BY exported_at DESC")
      .map((row) => text(row, "root"));
  }

  roots(): string[] {
    return this.#db.all("SELECT root FROM generations ORDER BY rowid").map((row) => text(row, "root"));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /**
   * Makes a generation of files that were synced before. It exists once this returns; a crash before that leaves nothing
   * that counts, and the given files as they were. They keep their names: the caller removes those afterwards.
   * @param together more changes of the database that become durable in the same moment; gets the ids of the layers, top first
   */
  install(
    parts: NewGeneration,
    together: (layerIds: readonly string[]) => void = () => undefined,
  ): Promise<GenerationRecord> {
    return this.#inTurn(() => this.#install(parts, together));
  }

  async #install(
    parts: NewGeneration,
    together: (layerIds: readonly string[]) => void,
  ): Promise<GenerationRecord> {
    const { root } = parts.manifest;
    const known = this.get(root);
    if (known !== null) {
      this.#db.transaction(() => {
        together(known.layerIds);
      });
      return known;
    }
    const building = this.#paths.newGeneration(root);
    const final = this.#paths.generation(root);
    const made = [building.dir, final.dir];
    return this.#orRemove(made, async () => {
      await this.#link(parts, building);
      const layers: { readonly id: string; readonly bytes: number }[] = [];
      for (const image of [parts.topLayer, ...(parts.lowerLayers ?? [])]) layers.push(await this.#linkLayer(image, made));
      // A folder of that name without a row is what a crash left behind.
      await rm(final.dir, { recursive: true, force: true });
      await rename(building.dir, final.dir);
      await syncDir(this.#paths.generations);
      this.#record(parts, layers, together);
      return this.require(root);
    });
  }

  #record(
    parts: NewGeneration,
    layers: readonly { readonly id: string; readonly bytes: number }[],
    together: (layerIds: readonly string[]) => void,
  ): void {
    const { root } = parts.manifest;
    this.#db.transaction(() => {
      for (const { id, bytes } of layers) this.#layers.insert(id, bytes);
      this.#db.run(
        "INSERT INTO generations (root, parent, manifest, created_at) VALUES (?, ?, ?, ?)",
        root,
        parts.manifest.parent,
        JSON.stringify(parts.manifest),
        now(),
      );
      const ids = [...layers.map(({ id }) => id), ...parts.below];
      this.setLayers(root, ids);
      together(ids);
    });
  }

  /**
   * What found no room leaves nothing behind: it may be tried again and again, each time with other names, while the service runs.
   * After other failures it cannot be told whether the record is on disk, and the next service looks.
   */
  async #orRemove<T>(made: readonly string[], work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (toHomewardError(error).code === "NO_ROOM") for (const path of made) await rm(path, { recursive: true, force: true });
      throw error;
    }
  }

  /** Makes a layer of a synced image that nobody writes to any more; it keeps its old name too. */
  addLayer(path: string, together: (layerId: string) => void): Promise<void> {
    const made: string[] = [];
    return this.#inTurn(() =>
      this.#orRemove(made, async () => {
        const layer = await this.#linkLayer(path, made);
        this.#db.transaction(() => {
          this.#layers.insert(layer.id, layer.bytes);
          together(layer.id);
        });
      }),
    );
  }

  /** @param made gets its path */
  async #linkLayer(image: string, made: string[]): Promise<{ readonly id: string; readonly bytes: number }> {
    const id = this.#layers.newId();
    const path = this.#paths.layer(id);
    made.push(path);
    await linkOver(image, path);
    await chmod(path, 0o400);
    await syncFile(path);
    await syncDir(this.#paths.layers);
    return { id, bytes: (await stat(path)).size };
  }

  async #link(parts: NewGeneration, to: GenerationPaths): Promise<void> {
    await freshDir(to.dir);
    for (const file of FILES) {
      await linkOver(parts[`${file}Path`], to[file]);
      await chmod(to[file], 0o400);
      await syncFile(to[file]);
    }
    await writeFileDurably(to.manifest, `${JSON.stringify(parts.manifest, null, 2)}\n`);
    await syncDir(to.dir);
  }

  /** Replaces the layer list, e.g. by one with the same content and fewer layers. Top first. */
  setLayers(root: string, layers: readonly string[]): void {
    this.#db.run("DELETE FROM generation_layers WHERE root = ?", root);
    for (const [position, layer] of layers.entries())
      this.#db.run("INSERT INTO generation_layers (root, position, layer) VALUES (?, ?, ?)", root, position, layer);
  }

  /** Puts a layer with the same content in the place of several, wherever they are at the bottom of a list. */
  replaceBottom(bottom: readonly string[], by: readonly string[]): void {
    const replaced = (layers: readonly string[]): readonly string[] | null => {
      const above = layers.length - bottom.length;
      return above >= 0 && bottom.every((id, at) => layers[above + at] === id)
        ? [...layers.slice(0, above), ...by]
        : null;
    };
    this.#db.transaction(() => {
      for (const root of this.roots()) {
        const layers = replaced(this.require(root).layerIds);
        if (layers !== null) this.setLayers(root, layers);
      }
      for (const { name, layers } of this.#workspaces.list()) {
        const fewer = replaced(layers);
        if (fewer !== null) this.#workspaces.update(name, { layers: fewer });
      }
    });
  }

  /** Forgets a generation and removes its folder. Layers stay until `collectGarbage`. @throws CONFLICT if a workspace is based on it, or it is held */
  async delete(root: string): Promise<void> {
    const user = this.#db.get("SELECT name FROM workspaces WHERE base = ?", root);
    if (user !== null)
      throw new HomewardError("CONFLICT", `workspace ${text(user, "name")} is based on generation ${root.slice(0, 12)}`);
    if (this.#held.has(root)) throw new HomewardError("CONFLICT", `generation ${root.slice(0, 12)} is in use`);
    this.#db.run("DELETE FROM generations WHERE root = ?", root);
    await rm(this.#paths.generation(root).dir, { recursive: true, force: true });
  }

  /** Removes layers that nothing refers to, and whatever a crash left in generations/ and layers/. */
  collectGarbage(): Promise<void> {
    return this.#inTurn(() => this.#collectGarbage());
  }

  async #collectGarbage(): Promise<void> {
    this.#layers.dropUnused();
    await keepOnly(this.#paths.layers, new Set(this.#layers.ids().map((id) => this.#paths.layer(id))));
    await keepOnly(this.#paths.generations, new Set(this.roots().map((root) => this.#paths.generation(root).dir)));
  }
}

async function keepOnly(dir: string, wanted: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(dir)) {
    const path = join(dir, name);
    if (!wanted.has(path)) await rm(path, { recursive: true, force: true });
  }
}
