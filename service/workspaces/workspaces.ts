import { randomUUID } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { throwIfAborted } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import { noProgress } from "../../common/progress.ts";
import type { Collected } from "../../protocol/control.ts";
import type { GenerationManifest } from "../../protocol/generation.ts";
import type { ImportPlan } from "../../protocol/import.ts";
import { convertImage, imageVirtualBytes } from "../../vm/disk-image.ts";
import type { ImportRequest } from "../import/plan.ts";
import { exists, freshDir } from "../store/durable.ts";
import { EXPORT_FILES, GENERATION_FILES } from "../store/paths.ts";
import type { Fenced, NewWorkspace, WorkspaceRow } from "../store/workspaces-table.ts";
import type { OperationOptions, WorkspaceDeps } from "./dependencies.ts";
import { importGeneration, readGenerationFolder } from "./generation-folder.ts";
import { importWorkspace, prepareImport } from "./import-image.ts";
import { machineForGuest, readGuestFolder } from "./guest-folder.ts";
import { finishSettingAside, returnedName, setAside } from "./fence.ts";
import { GarbageCollector, type CollectOptions } from "./garbage.ts";
import { watchForSleep } from "./host-sleep.ts";
import { Workspace } from "./workspace.ts";

export interface CreateRequest {
  readonly workspace: string;
  /** Folder of a guest or of an exported generation, absolute. */
  readonly from: string;
  /** The host that owns it; null for this one. */
  readonly owner: string | null;
  /** A generation's RAM and disk need not be read to check them. */
  readonly verified: boolean;
  /** Its guest may reach what listens on this computer's loopback. */
  readonly hostLoopback?: boolean;
  readonly accelerator?: "kvm" | "tcg" | undefined;
}

/** Folders in incoming/ that belong to an operation of this process; found at its start, they are a dead one's. */
const TEMPORARY = /^(?:seal|import|merge|create|hashes)-/;

/** The workspaces of this host. */
export class Workspaces {
  readonly #deps: WorkspaceDeps;
  readonly #all = new Map<string, Workspace>();
  /** Names of workspaces that are being made. */
  readonly #coming = new Set<string>();
  /** Images that are being looked at, in folders of their own that no clean-up may take away. */
  #imports = 0;
  #tidying: Promise<void> = Promise.resolve();

  private constructor(deps: WorkspaceDeps) {
    this.#deps = deps;
  }

  /** Knows every workspace of the store, and has adopted the machines that run. */
  static async open(deps: WorkspaceDeps): Promise<Workspaces> {
    const { incoming } = deps.store.paths;
    for (const name of await readdir(incoming))
      if (TEMPORARY.test(name)) await rm(join(incoming, name), { recursive: true, force: true });
    for (const row of deps.store.workspaces.list()) await finishSettingAside(deps.store, row);
    const workspaces = new Workspaces(deps);
    for (const row of deps.store.workspaces.list()) workspaces.#add(row);
    for (const workspace of workspaces.list())
      await workspace.adopt().catch((error: unknown) => {
        deps.log.error({ err: error, workspace: workspace.name }, "adoption");
      });
    watchForSleep(deps.stopping, (sleptMs) => {
      deps.log.info({ sleptMs }, "this computer slept, or its clock was set");
      for (const { running } of workspaces.list()) void running?.announce();
    });
    return workspaces;
  }

  #add(row: WorkspaceRow): Workspace {
    const workspace = new Workspace(this.#deps, row, () => {
      this.tidy();
    });
    this.#all.set(row.name, workspace);
    return workspace;
  }

  list(): Workspace[] {
    return [...this.#all.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @throws NOT_FOUND */
  get(name: string): Workspace {
    const found = this.#all.get(name);
    if (found === undefined)
      throw new HomewardError("NOT_FOUND", `there is no workspace named ${name} on ${this.#deps.hostName}`, {
        hint: this.#all.size === 0 ? `"homeward create" makes one.` : `There is ${[...this.#all.keys()].slice(0, 10).join(", ")}.`,
      });
    return found;
  }

  /**
   * Makes a workspace, which does not run yet.
   * @throws CONFLICT if the name is taken, USAGE, NOT_FOUND, DAMAGED, INCOMPATIBLE, NO_ROOM, CANCELLED
   */
  create(request: CreateRequest, options: OperationOptions = {}): Promise<Workspace> {
    const { workspace: name, from } = request;
    return this.#make(name, async () => {
      if (await exists(join(from, GENERATION_FILES.manifest))) await this.#createFromGeneration(request, options);
      else await this.#createFromGuest(request, options);
    });
  }

  /**
   * Makes a workspace from a disk image, or only says what it would be.
   * @throws CONFLICT if the name is taken; what `prepareImport` and `importWorkspace` throw
   */
  async import(
    request: ImportRequest,
    options: OperationOptions = {},
  ): Promise<{ readonly plan: ImportPlan; readonly workspace: Workspace | null }> {
    const { workspace: name } = request;
    this.#requireFree(name);
    this.#imports++;
    const prepared = await prepareImport(this.#deps, request, options).finally(() => this.#imports--);
    const workspace = request.dryRun
      ? null
      : await this.#make(name, () => importWorkspace(this.#deps, request, prepared, options));
    return { plan: prepared.plan, workspace };
  }

  #requireFree(name: string): void {
    if (this.#all.has(name) || this.#coming.has(name))
      throw new HomewardError("CONFLICT", `there is a workspace named ${name} already`);
  }

  /** @param work fills the workspace's folder and writes its row */
  async #make(name: string, work: () => Promise<void>): Promise<Workspace> {
    this.#requireFree(name);
    this.#coming.add(name);
    try {
      await freshDir(this.#deps.store.paths.workspace(name).dir);
      await work();
      return this.#add(this.#deps.store.workspaces.require(name));
    } catch (error) {
      await rm(this.#deps.store.paths.workspace(name).dir, { recursive: true, force: true });
      throw error;
    } finally {
      this.#coming.delete(name);
    }
  }

  async #createFromGuest(request: CreateRequest, options: OperationOptions): Promise<void> {
    const { workspace: name, from, owner, hostLoopback = false } = request;
    if (owner !== null)
      throw new HomewardError("USAGE", `${from} is no exported generation, and only such a one can have another owner`, {
        hint: "Seal the workspace on its host, with --export.",
      });
    const { store } = this.#deps;
    const guest = await readGuestFolder(from);
    const accelerator = request.accelerator ?? (await this.#deps.accelerator()).accelerator;
    const machine = await machineForGuest(store, guest, { accelerator, qemuVersion: await this.#deps.qemuVersion() });
    const dir = store.paths.incomingOf(`create-${randomUUID()}`);
    await freshDir(dir);
    try {
      const disk = join(dir, EXPORT_FILES.disk);
      await convertImage(join(from, guest.disk.file), disk, options);
      const bytes = await imageVirtualBytes(disk);
      if (bytes !== machine.diskBytes)
        throw new HomewardError("DAMAGED", `the disk in ${from} has ${bytes} bytes, not the ${machine.diskBytes} it should`);
      await store.generations.addLayer(disk, (layer) => {
        const row: NewWorkspace = { name, owner, base: null, machine, state: "off", resumeFrom: "boot", layers: [layer] };
        store.workspaces.insert({ ...row, hostLoopback });
      });
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }

  async #createFromGeneration(request: CreateRequest, options: OperationOptions): Promise<void> {
    const { workspace: name, from, owner, hostLoopback = false } = request;
    const { store, hostName } = this.#deps;
    if (owner === hostName)
      throw new HomewardError("USAGE", `${hostName} is this host: leave the owner out`, { data: { owner } });
    const manifest = await readGenerationFolder(from);
    const { root, machine } = manifest;
    // What a workspace that was just deleted had may still be there, and be the damaged copy that this one is to replace.
    await this.#tidying;
    await importGeneration(this.#deps, from, manifest, {
      ...options,
      verified: request.verified,
      together: (layers) => {
        const state = owner === null ? "suspended" : "away";
        store.workspaces.insert({ name, owner, base: root, machine, state, resumeFrom: "generation", layers, hostLoopback });
      },
    });
    this.checkBases();
  }

  /**
   * A generation that another host laid down here becomes the base of its workspace, which is made if it is not known yet.
   * @param owner that host
   * @param install puts the generation into the store, and calls its argument with the layers in the same transaction
   * @throws CONFLICT if the workspace is busy or belongs to somebody else
   */
  async receive(
    { name, owner, manifest }: { readonly name: string; readonly owner: string; readonly manifest: GenerationManifest },
    install: (together: (layerIds: readonly string[]) => void) => Promise<void>,
  ): Promise<void> {
    const { store } = this.#deps;
    const { root, machine } = manifest;
    const known = this.#all.get(name);
    if (known === undefined) {
      await this.#make(name, () =>
        install((layers) => {
          store.workspaces.insert({ name, owner, base: root, machine, state: "away", resumeFrom: "generation", layers });
        }),
      );
      return;
    }
    await known.betweenOperations("push", () =>
      install((layers) => {
        if (store.workspaces.require(name).owner !== owner)
          throw new HomewardError("CONFLICT", `${name} is not ${owner}'s any more`);
        store.workspaces.update(name, { base: root, machine, layers, resumeFrom: "generation" });
      }),
    );
    this.tidy();
  }

  /**
   * Another host took a workspace over that this one owns: it is suspended, and from then on has another name.
   * @returns that name
   * @throws CONFLICT if it is busy or being migrated; whatever keeps it from being suspended
   */
  async setAside(name: string, by: Omit<Fenced, "from">): Promise<string> {
    const { store } = this.#deps;
    const workspace = this.get(name);
    await workspace.standStill();
    const to = returnedName(name, new Date(), (taken) => this.#all.has(taken) || this.#coming.has(taken));
    this.#coming.add(name).add(to);
    try {
      await workspace.leave();
      await setAside(store, name, to, { from: name, ...by });
    } finally {
      this.#all.delete(name);
      for (const each of [name, to]) {
        const row = store.workspaces.get(each);
        if (row !== null) this.#add(row);
        this.#coming.delete(each);
      }
    }
    return to;
  }

  /** @throws NOT_FOUND, CONFLICT if its machine is on */
  async delete(name: string): Promise<void> {
    await this.get(name).remove();
    this.#all.delete(name);
    this.tidy();
  }

  /** Looks, in the background, whether the generations that the next moves begin with are intact. */
  checkBases(): void {
    const { store, generationCheck } = this.#deps;
    const bases = new Set(this.list().map(({ base }) => base));
    generationCheck.checkSoon([...bases].filter((root) => root !== null).map((root) => store.generations.require(root)));
  }

  /** Removes what nobody needs any more, in the background. */
  tidy(): void {
    const { log, stopping } = this.#deps;
    void this.collectGarbage("remove").then(
      ({ removed, merged }) => {
        if (removed.length + merged.length > 0) log.info({ removed, merged }, "tidied up");
      },
      (error: unknown) => {
        if (!stopping.aborted) log.warn({ err: error }, "tidying up");
      },
    );
  }

  /** Removes what nobody needs any more, or ("find") only says what. One at a time. @throws CANCELLED when the service ends */
  collectGarbage(mode: CollectOptions["mode"]): Promise<Collected> {
    const { stopping } = this.#deps;
    const collecting = this.#tidying.then(() => {
      throwIfAborted(stopping);
      const isCreating = (): boolean => this.#coming.size > 0 || this.#imports > 0;
      return new GarbageCollector(this.#deps, { workspaces: this.list(), isCreating, mode }).run();
    });
    this.#tidying = collecting.then(
      () => undefined,
      () => undefined,
    );
    return collecting;
  }

  /** What happens to the machines when the service ends. */
  async stop(machines: "keep" | "suspend" | "kill"): Promise<void> {
    await this.#tidying;
    for (const workspace of this.list()) {
      await workspace.idle();
      try {
        if (workspace.owner === "here" && workspace.state === "running" && machines !== "keep")
          await (machines === "suspend" ? workspace.suspend({ progress: noProgress }) : workspace.power("off"));
      } catch (error) {
        this.#deps.log.error({ err: error, workspace: workspace.name }, `cannot ${machines} the machine`);
      }
      await workspace.leave().catch((error: unknown) => {
        this.#deps.log.error({ err: error, workspace: workspace.name }, "letting go of the machine");
      });
    }
  }
}
