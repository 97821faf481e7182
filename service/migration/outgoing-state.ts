import { stat } from "node:fs/promises";
import type { Progress } from "../../common/progress.ts";
import type { GenerationManifest } from "../../protocol/generation.ts";
import type { MachineDefinition } from "../../protocol/machine.ts";
import {
  ResidualSource,
  dirtyBlocks,
  generationRoot,
  openFileBlocks,
  type BlockRange,
  type FileBlocks,
} from "../../syncer/index.ts";
import { openDisk, type DiskBlocks } from "../../vm/disk-blocks.ts";
import type { ServiceContext } from "../context.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import type { GenerationParts } from "../workspaces/workspace.ts";
import { ClosingStack } from "./closing-stack.ts";
import { namedProgress } from "./named-progress.ts";
import {
  fileSha256,
  openHashes,
  readTrees,
  writeGenerationParts,
  type DirtyBlocks,
  type Trees,
} from "./generation-parts.ts";

/** A machine's whole state in files that nobody changes: a suspended workspace, or a stored generation. */
export interface StateAtRest {
  readonly machine: MachineDefinition;
  readonly ramPath: string;
  readonly devicePath: string;
  /** Top first. */
  readonly layers: readonly string[];
}

export interface OutgoingOptions {
  readonly state: StateAtRest;
  readonly base: GenerationRecord;
  /** Whether the destination replays, and so has a twin, where the index is not told. */
  readonly hasTwin: boolean;
  /** Private folder for sockets. */
  readonly runDir: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** The source's view of what it sends: the state, the generation it grew from, and where the two differ. */
export class OutgoingState {
  readonly source: ResidualSource;
  readonly #ctx: ServiceContext;
  readonly #options: OutgoingOptions;
  readonly #ram: FileBlocks;
  readonly #disk: DiskBlocks;
  readonly #dirty: DirtyBlocks;
  readonly #closing: ClosingStack;

  private constructor(
    ctx: ServiceContext,
    options: OutgoingOptions,
    source: ResidualSource,
    devices: { readonly ram: FileBlocks; readonly disk: DiskBlocks },
    dirty: DirtyBlocks,
    closing: ClosingStack,
  ) {
    this.#ctx = ctx;
    this.#options = options;
    this.source = source;
    this.#ram = devices.ram;
    this.#disk = devices.disk;
    this.#dirty = dirty;
    this.#closing = closing;
  }

  /** Opens the devices and compares them with the generation's. */
  static async open(ctx: ServiceContext, options: OutgoingOptions): Promise<OutgoingState> {
    const { state, base, runDir, progress, signal } = options;
    const closing = new ClosingStack();
    try {
      const ram = closing.add(await openFileBlocks(state.ramPath));
      const baseRam = closing.add(await openFileBlocks(base.ramPath));
      const disk = closing.add(await openDisk(state.layers, { writable: false, runDir, signal }));
      const baseDisk = closing.add(await openDisk(base.layers, { writable: false, runDir, signal }));
      const hashes = await openHashes(base, closing);
      const pool = ctx.hashPool;
      const dirty = {
        ram: await dirtyBlocks(ram, baseRam, pool, { progress, signal }),
        disk: await dirtyBlocks(disk, baseDisk, pool, {
          candidates: differenceCandidates(state.layers, disk, base.layers, baseDisk),
          signal,
        }),
      };
      const source = new ResidualSource({
        ram,
        disk,
        baseRam,
        baseDisk,
        dirtyRam: dirty.ram,
        dirtyDisk: dirty.disk,
        pool,
        baseHashes: hashes,
        hasTwin: options.hasTwin,
        progress,
        signal,
      });
      return new OutgoingState(ctx, options, source, { ram, disk }, dirty, closing);
    } catch (error) {
      await closing.close();
      throw error;
    }
  }

  get state(): StateAtRest {
    return this.#options.state;
  }

  /** The trees of this state, from the generation's and the blocks that differ. */
  async trees(): Promise<Trees> {
    const { base, signal } = this.#options;
    const pool = this.#ctx.hashPool;
    const progress = namedProgress("hash", this.#options.progress);
    const before = await readTrees(base);
    return {
      ram: await before.ram.update(this.#ram, this.#dirty.ram, pool, { progress, signal }),
      disk: await before.disk.update(this.#disk, this.#dirty.disk, pool, { progress, signal }),
    };
  }

  async manifest(trees: Trees): Promise<GenerationManifest> {
    const { state, base } = this.#options;
    const parts = {
      machine: state.machine,
      ramRoot: trees.ram.root,
      diskRoot: trees.disk.root,
      deviceSha256: await fileSha256(state.devicePath),
    };
    return {
      format: 1,
      ...parts,
      root: generationRoot(parts),
      deviceBytes: (await stat(state.devicePath)).size,
      parent: base.root,
      createdAt: new Date().toISOString(),
    };
  }

  /** Writes what the new generation needs besides the state itself, durably, into `dir`. */
  async writeParts(manifest: GenerationManifest, trees: Trees, dir: string): Promise<GenerationParts> {
    const { base, signal } = this.#options;
    const devices = { ram: this.#ram, disk: this.#disk };
    return writeGenerationParts(this.#ctx, { base, manifest, trees, devices, dirty: this.#dirty, dir, signal });
  }

  async close(): Promise<void> {
    await this.#closing.close();
  }
}

/** Where two disks can differ. Usually one is a single overlay over the other; a merged chain has to be looked at whole. */
async function* differenceCandidates(
  layers: readonly string[],
  disk: DiskBlocks,
  baseLayers: readonly string[],
  baseDisk: DiskBlocks,
): AsyncGenerator<BlockRange> {
  const below = layers.slice(1);
  if (below.length === baseLayers.length && below.every((layer, i) => layer === baseLayers[i])) {
    yield* disk.allocated();
    return;
  }
  yield* disk.allocatedAnywhere();
  yield* baseDisk.allocatedAnywhere();
}
