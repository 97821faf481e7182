import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Collected } from "../../protocol/control.ts";
import { adoptMachine } from "../../vm/machine-process.ts";
import { bytesOnDisk } from "../store/disk-use.ts";
import { pushFolder } from "../store/paths.ts";
import type { WorkspaceDeps } from "./dependencies.ts";
import { endedLogs, keptGenerations } from "./kept-generations.ts";
import { isLong, shortenChain } from "./tidy.ts";
import type { Workspace } from "./workspace.ts";

/** A push that was cut off is kept for so long, to be gone on with. */
const PUSHES_KEPT_MS = 14 * 24 * 60 * 60 * 1000;

type Item = Collected["removed"][number];

export interface CollectOptions {
  readonly workspaces: readonly Workspace[];
  /** Whether a workspace is being made just now. */
  readonly isCreating: () => boolean;
  /** "find" only says what would be done. */
  readonly mode: "remove" | "find";
}

/**
 * Removes what nothing needs any more. Safe at any moment and against being killed: rows of the database go before the
 * files that they make valid, and files of work under way are recognised by a row, by being held, or left alone.
 */
export class GarbageCollector {
  readonly #deps: WorkspaceDeps;
  readonly #options: CollectOptions;
  readonly #removed: Item[] = [];
  readonly #merged: Collected["merged"] = [];

  constructor(deps: WorkspaceDeps, options: CollectOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  async run(): Promise<Collected> {
    const { workspaces } = this.#options;
    await this.#shortenChains();
    // An operation may be about to open files by names that it has looked up already.
    await Promise.all(workspaces.map((workspace) => workspace.idle()));
    await this.#logs();
    const roots = await this.#generations();
    this.#pushes();
    const layers = await this.#layers(roots);
    const rest = await this.#leftovers();
    return {
      dryRun: !this.#removes,
      removed: this.#removed,
      merged: this.#merged,
      kept: await this.#kept(roots),
      postponed: !layers || !rest,
    };
  }

  get #removes(): boolean {
    return this.#options.mode === "remove";
  }

  /** Nothing is under way that opens files by names of its own. */
  get #quiet(): boolean {
    const { generations, migrations } = this.#deps.store;
    const { workspaces, isCreating } = this.#options;
    const working = workspaces.some(({ isTaken }) => isTaken) || isCreating();
    return !working && generations.held.size === 0 && migrations.unfinished().length === 0;
  }

  async #shortenChains(): Promise<void> {
    for (const workspace of this.#options.workspaces) {
      const generation = workspace.base === null ? null : this.#deps.store.generations.get(workspace.base);
      if (generation === null || !isLong(generation)) continue;
      if (this.#removes) await shortenChain(this.#deps, generation, workspace);
      this.#merged.push({ workspace: workspace.name, layers: generation.layerIds.length });
    }
  }

  /** Input logs that the user does not want to be kept any longer; what they led to stays. */
  async #logs(): Promise<void> {
    const { store, keepLogsDays } = this.#deps;
    if (keepLogsDays === null || !this.#removes) return;
    for (const workspace of this.#options.workspaces)
      for (const root of endedLogs(store, workspace.row, keepLogsDays, Date.now()))
        if ((await workspace.inputLog.summary(root)).segments > 0) await workspace.inputLog.truncate(root);
  }

  /** Generations that nobody needs, with the input logs that begin at them. Returns their roots. */
  async #generations(): Promise<Set<string>> {
    const { store } = this.#deps;
    const roots = new Set<string>();
    for (const root of store.generations.roots()) {
      if (keptGenerations(store).has(root)) continue;
      const bytes = await bytesOnDisk(store.paths.generation(root).dir);
      if (this.#removes) {
        for (const workspace of this.#options.workspaces) if (workspace.recordsInput) await workspace.inputLog.truncate(root);
        // Again, since work may have begun that needs it.
        if (keptGenerations(store).has(root)) continue;
        await store.generations.delete(root);
      }
      roots.add(root);
      this.#removed.push({ kind: "generation", name: root, bytes });
    }
    if (this.#removes) await store.shipped.collectGarbage();
    return roots;
  }

  /** What another host has begun to lay down here, and has not gone on with for long; its folder is then a leftover. */
  #pushes(): void {
    const { store } = this.#deps;
    if (!this.#removes) return;
    for (const { workspace, updatedAt } of store.pushes.list())
      if (Date.parse(updatedAt) + PUSHES_KEPT_MS < Date.now()) store.pushes.delete(workspace);
  }

  /** False if they have to wait for work that is under way. */
  async #layers(gone: ReadonlySet<string>): Promise<boolean> {
    const { store } = this.#deps;
    const unused = store.layers.unusedWithout(gone);
    if (unused.length === 0) return true;
    const found: Item[] = [];
    for (const id of unused) found.push({ kind: "layer", name: id, bytes: await bytesOnDisk(store.paths.layer(id)) });
    if (!this.#quiet) return false;
    if (this.#removes) await store.generations.collectGarbage();
    this.#removed.push(...found);
    return true;
  }

  /** What work that failed, or was killed, has left. False if that cannot be told from work under way. */
  async #leftovers(): Promise<boolean> {
    const { store, runDirs } = this.#deps;
    // Names first: all of them are drawn at random, so what begins after this look is not among them. (Those that are not
    // random, of seals and of machines, are cleaned up by the next seal and the next start.)
    const wanted = store.referredBlobs();
    const blobs = (await readdir(store.paths.blobs)).filter((name) => !wanted.has(name));
    const pushes = new Set(store.pushes.list().map(({ workspace }) => pushFolder(workspace)));
    const unfinished = (await readdir(store.paths.incoming)).filter((name) => !name.startsWith("seal-") && !pushes.has(name));
    const machines = new Set(store.workspaces.list().map(({ id }) => id));
    const runFolders = (await runDirs.list()).filter((id) => !machines.has(id));
    if (blobs.length + unfinished.length + runFolders.length === 0) return true;
    if (!this.#quiet) return false;
    for (const name of blobs) await this.#file("blob", name, store.paths.blob(name));
    for (const name of unfinished) await this.#file("unfinished", name, join(store.paths.incoming, name));
    for (const id of runFolders) await this.#runFolder(id);
    return true;
  }

  async #file(kind: Item["kind"], name: string, path: string): Promise<void> {
    const bytes = await bytesOnDisk(path);
    if (this.#removes) await rm(path, { recursive: true, force: true });
    this.#removed.push({ kind, name, bytes });
  }

  /** Its QEMU, if one lives, is a twin that nobody waits for any more. */
  async #runFolder(id: string): Promise<void> {
    const { runDirs } = this.#deps;
    const bytes = await runDirs.bytes(id);
    if (this.#removes) {
      await (await adoptMachine(runDirs.paths(id).dir))?.kill();
      await runDirs.remove(id);
    }
    this.#removed.push({ kind: "run-folder", name: id, bytes });
  }

  async #kept(gone: ReadonlySet<string>): Promise<Collected["kept"]> {
    const { store } = this.#deps;
    const kept: Collected["kept"] = [];
    for (const [root, why] of keptGenerations(store))
      if (!gone.has(root)) kept.push({ root, bytes: await bytesOnDisk(store.paths.generation(root).dir), why: [...why] });
    return kept;
  }
}
