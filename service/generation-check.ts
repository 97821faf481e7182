import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { z } from "zod";
import { abortable, throwIfAborted } from "../common/abort.ts";
import { HomewardError, toHomewardError } from "../common/errors.ts";
import type { Progress, ProgressUpdate } from "../common/progress.ts";
import { BlockHashes } from "../syncer/block-hashes.ts";
import { openFileBlocks, type BlockDevice } from "../syncer/block-device.ts";
import { MerkleTree } from "../syncer/merkle.ts";
import { openDisk } from "../vm/disk-blocks.ts";
import { readBootId } from "./store/boot-id.ts";
import type { GenerationRecord } from "./store/generations-store.ts";
import type { WorkspaceDeps } from "./workspaces/dependencies.ts";
import { hashFile } from "./workspaces/hash-generation.ts";
import { mendDiskHashes, mendRamHashes } from "./workspaces/sound-hashes.ts";

/** Memory is RAM and device state; a machine that is resumed needs them at once, its disk piece by piece. */
type Part = "memory" | "disk";

/** For each part, which files in which condition were found intact, and in which run of the kernel. */
const checkedSchema = z.strictObject({ memory: z.string().optional(), disk: z.string().optional() });
type Checked = z.infer<typeof checkedSchema>;

export interface CheckOptions {
  /** What the user can do should it be damaged. */
  readonly hint: string;
  readonly signal?: AbortSignal;
  readonly progress?: Progress;
}

interface Job {
  readonly done: Promise<void>;
  readonly watchers: Set<Progress>;
}

type CheckDeps = Pick<WorkspaceDeps, "hostName" | "store" | "runDirs" | "hashPool" | "log" | "stopping">;

/**
 * Whether stored generations still are what their names say. A generation is read and hashed as a whole before it is used
 * the first time after the computer was started, and again when one of its files was touched since (device, inode, size,
 * time of change); in between its files are only looked up. What this host has just written and verified is vouched for.
 */
export class GenerationCheck {
  readonly #deps: CheckDeps;
  readonly #jobs = new Map<string, Job>();

  constructor(deps: CheckDeps) {
    this.#deps = deps;
  }

  /** @throws DAMAGED with the hint, CANCELLED */
  async requireIntact(generation: GenerationRecord, options: CheckOptions): Promise<void> {
    await this.#require("memory", generation, options);
    await this.#require("disk", generation, options);
  }

  /** RAM and device state only: what is needed to resume. @throws as `requireIntact` */
  requireMemoryIntact(generation: GenerationRecord, options: CheckOptions): Promise<void> {
    return this.#require("memory", generation, options);
  }

  /** Its files hold what was just verified, so they need not be read until the computer is started again. Never throws. */
  async vouch(generation: GenerationRecord): Promise<void> {
    try {
      const conditions = [this.#condition("memory", generation), this.#condition("disk", generation)] as const;
      const [memory, disk] = await Promise.all(conditions);
      await this.#remember(generation, { memory, disk });
    } catch (error) {
      // Whoever uses it next finds out what is wrong.
      this.#deps.log.warn({ err: error, root: generation.root }, "vouching for a generation");
    }
  }

  /** Looks at generations in the background, so that whoever needs one of them soon does not wait. */
  checkSoon(generations: readonly GenerationRecord[]): void {
    const work = async (): Promise<void> => {
      for (const generation of generations) await this.requireIntact(generation, { hint: "" });
    };
    work().catch((error: unknown) => {
      if (!this.#deps.stopping.aborted) this.#deps.log.warn({ err: error }, "checking the stored generations");
    });
  }

  /** Resolves when nothing is being checked. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#jobs.values()].map(({ done }) => done));
  }

  async #require(part: Part, generation: GenerationRecord, { hint, signal, progress }: CheckOptions): Promise<void> {
    throwIfAborted(signal);
    const key = `${part} ${generation.root}`;
    const job = this.#jobs.get(key) ?? this.#begin(key, part, generation);
    if (progress !== undefined) job.watchers.add(progress);
    try {
      await abortable(job.done, signal);
    } catch (thrown) {
      const error = toHomewardError(thrown);
      if (error.code !== "DAMAGED") throw error;
      throw new HomewardError("DAMAGED", error.message, { hint, cause: error, data: { ...error.data, root: generation.root } });
    } finally {
      if (progress !== undefined) job.watchers.delete(progress);
    }
  }

  /** Those who need the same at the same time share one look. */
  #begin(key: string, part: Part, generation: GenerationRecord): Job {
    const watchers = new Set<Progress>();
    const letGo = this.#deps.store.generations.hold(generation.root);
    const done = this.#check(part, generation, {
      update: (update) => {
        for (const watcher of watchers) watcher.update(update);
      },
    }).finally(() => {
      letGo();
      this.#jobs.delete(key);
    });
    done.catch(() => undefined);
    const job = { done, watchers };
    this.#jobs.set(key, job);
    return job;
  }

  async #check(part: Part, generation: GenerationRecord, progress: Progress): Promise<void> {
    await this.#mendHashes(part, generation);
    const before = await this.#condition(part, generation);
    if ((await this.#checked(generation))[part] === before) return;
    if (part === "memory") await this.#checkMemory(generation, progress);
    else await this.#checkDisk(generation, progress);
    // What was touched while it was read is looked at again the next time.
    if ((await this.#condition(part, generation)) === before) await this.#remember(generation, { [part]: before });
  }

  /** Block hashes can be made anew from what they are of, and whether that is right is looked at afterwards. */
  async #mendHashes(part: Part, generation: GenerationRecord): Promise<void> {
    const { stopping, log } = this.#deps;
    try {
      if (part === "memory") await mendRamHashes(this.#deps, generation, { signal: stopping });
      else await mendDiskHashes(this.#deps, generation, { signal: stopping });
    } catch (error) {
      throwIfAborted(stopping);
      log.warn({ err: error, root: generation.root }, "block hashes cannot be made anew");
    }
  }

  async #checkMemory(generation: GenerationRecord, progress: Progress): Promise<void> {
    const { manifest, ramPath, devicePath } = generation;
    const device = await hashFile(devicePath);
    if (device.sha256 !== manifest.deviceSha256)
      throw this.#damage("device state", generation, manifest.deviceSha256, device.sha256);
    await this.#checkTree("RAM", generation, generation.ramTreePath, manifest.ramRoot);
    const { memoryBytes } = manifest.machine;
    const ram = await openFileBlocks(ramPath);
    try {
      if (ram.blocks * 4096 !== memoryBytes)
        throw this.#damage("RAM", generation, `${memoryBytes} bytes`, `${ram.blocks * 4096} bytes`);
      await this.#checkHashes("RAM", generation, generation.ramHashesPath, ram.blocks);
      await this.#checkContent("RAM", generation, ram, manifest.ramRoot, progress);
    } finally {
      await ram.close();
    }
  }

  async #checkDisk(generation: GenerationRecord, progress: Progress): Promise<void> {
    const { manifest, layers } = generation;
    await this.#checkTree("disk", generation, generation.diskTreePath, manifest.diskRoot);
    const { dir: runDir } = await this.#deps.runDirs.scratch();
    try {
      const disk = await openDisk(layers, { writable: false, runDir, signal: this.#deps.stopping }).catch((cause: unknown) => {
        throwIfAborted(this.#deps.stopping);
        const { code, message } = toHomewardError(cause);
        if (code === "ENVIRONMENT") throw cause;
        throw new HomewardError("DAMAGED", `${this.#what("disk", generation)} cannot be read: ${message}`, { cause });
      });
      try {
        await this.#checkHashes("disk", generation, generation.diskHashesPath, disk.blocks);
        await this.#checkContent("disk", generation, disk, manifest.diskRoot, progress);
      } finally {
        await disk.close();
      }
    } finally {
      await rm(runDir, { recursive: true, force: true });
    }
  }

  async #checkTree(name: string, generation: GenerationRecord, path: string, root: string): Promise<void> {
    const tree = await MerkleTree.decode(await readFile(path)).catch((cause: unknown) => {
      throw new HomewardError("DAMAGED", `the hash tree of ${this.#what(name, generation)} is damaged`, { cause });
    });
    if (tree.root !== root) throw this.#damage(`${name}'s hash tree`, generation, root, tree.root);
  }

  /** Wrong hashes only cost bytes, but a file that is not there, or is for another device, ends every migration. */
  async #checkHashes(name: string, generation: GenerationRecord, path: string, blocks: number): Promise<void> {
    const hashes = await BlockHashes.open(path);
    await hashes.close();
    if (hashes.blocks !== blocks)
      throw this.#damage(`${name}'s block hashes`, generation, `${blocks} blocks`, `${hashes.blocks} blocks`);
  }

  async #checkContent(
    name: string,
    generation: GenerationRecord,
    device: BlockDevice,
    root: string,
    progress: Progress,
  ): Promise<void> {
    const shown = {
      update: ({ done, unit }: ProgressUpdate) => {
        progress.update({ phase: `check ${name} of the common state`, done, total: device.blocks, unit });
      },
    };
    const tree = await MerkleTree.build(device, this.#deps.hashPool, { progress: shown, signal: this.#deps.stopping });
    if (tree.root !== root) throw this.#damage(name, generation, root, tree.root);
  }

  #what(part: string, { root }: GenerationRecord): string {
    return `the ${part} of generation ${root.slice(0, 12)} on ${this.#deps.hostName}`;
  }

  #damage(part: string, generation: GenerationRecord, expected: string, actual: string): HomewardError {
    return new HomewardError("DAMAGED", `${this.#what(part, generation)} is damaged`, { data: { expected, actual } });
  }

  /** The run of the kernel, and what changes whenever somebody writes to one of the files. @throws DAMAGED if one is missing */
  async #condition(part: Part, generation: GenerationRecord): Promise<string> {
    const { ramPath, devicePath, ramTreePath, ramHashesPath, layers, diskTreePath, diskHashesPath } = generation;
    const paths =
      part === "memory"
        ? [ramPath, devicePath, ramTreePath, ramHashesPath]
        : [...layers, diskTreePath, diskHashesPath];
    const words = await Promise.all(
      paths.map(async (path) => {
        const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true }).catch((cause: unknown) => {
          throw new HomewardError("DAMAGED", `${this.#what(part, generation)} is not whole: ${path} is missing`, { cause });
        });
        return [dev, ino, size, mtimeNs, ctimeNs].join(":");
      }),
    );
    return [await readBootId(), ...words].join(" ");
  }

  async #checked(generation: GenerationRecord): Promise<Checked> {
    try {
      return checkedSchema.parse(JSON.parse(await readFile(this.#path(generation), "utf8")));
    } catch {
      // Never written, or cut off by a crash: then it is all read again.
      return {};
    }
  }

  async #remember(generation: GenerationRecord, found: Checked): Promise<void> {
    const path = this.#path(generation);
    const checked = { ...(await this.#checked(generation)), ...found };
    try {
      await writeFile(`${path}.new`, JSON.stringify(checked), { mode: 0o600 });
      await rename(`${path}.new`, path);
    } catch (error) {
      // On a full disk, or when the generation has just been removed, it is only looked at once more.
      await rm(`${path}.new`, { force: true });
      this.#deps.log.info({ err: error, root: generation.root }, "not noting what was checked");
    }
  }

  #path({ root }: GenerationRecord): string {
    return this.#deps.store.paths.generation(root).checked;
  }
}
