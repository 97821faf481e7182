import { stat } from "node:fs/promises";
import { join } from "node:path";
import { HomewardError } from "../../common/errors.ts";
import type { Progress } from "../../common/progress.ts";
import type { GenerationManifest } from "../../protocol/generation.ts";
import {
  ResidualSink,
  applyDelta,
  copyFileSparse,
  generationRoot,
  openFileBlocks,
  verifyAndRepair,
  type FileBlocks,
  type RepairOptions,
  type TwinDevices,
  type VerifiedTrees,
} from "../../syncer/index.ts";
import { openDisk, type DiskBlocks } from "../../vm/disk-blocks.ts";
import { createOverlay } from "../../vm/disk-image.ts";
import type { ServiceContext } from "../context.ts";
import { removeFile } from "../store/durable.ts";
import type { GenerationRecord, NewGeneration } from "../store/generations-store.ts";
import { ClosingStack } from "./closing-stack.ts";
import { fileSha256, readTrees, writeGenerationParts } from "./generation-parts.ts";

export interface IncomingOptions {
  /** Fresh private folder that the new files are put into. */
  readonly dir: string;
  /** Private folder for sockets. */
  readonly runDir: string;
  readonly base: GenerationRecord;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

interface Devices {
  readonly baseRam: FileBlocks;
  readonly baseDisk: DiskBlocks;
  readonly outRam: FileBlocks;
  readonly outDisk: DiskBlocks;
}

/** The destination's new files: at first equal to the generation, in the end to what the source suspended. */
export class IncomingState {
  readonly #ctx: ServiceContext;
  readonly #options: IncomingOptions;
  readonly #devices: Devices;
  readonly #closing: ClosingStack;
  #sink: ResidualSink | null = null;

  private constructor(ctx: ServiceContext, options: IncomingOptions, devices: Devices, closing: ClosingStack) {
    this.#ctx = ctx;
    this.#options = options;
    this.#devices = devices;
    this.#closing = closing;
  }

  /** Copies the generation's RAM, puts an empty overlay over its disk, and opens both. */
  static async create(ctx: ServiceContext, options: IncomingOptions): Promise<IncomingState> {
    const { dir, runDir, base, signal } = options;
    const closing = new ClosingStack();
    try {
      const ram = join(dir, "ram");
      const disk = join(dir, "disk.qcow2");
      await copyFileSparse(base.ramPath, ram, { signal });
      await createOverlay(disk, base.layers, base.manifest.machine.diskBytes);
      const devices: Devices = {
        baseRam: closing.add(await openFileBlocks(base.ramPath)),
        baseDisk: closing.add(await openDisk(base.layers, { writable: false, runDir, signal })),
        outRam: closing.add(await openFileBlocks(ram, { writable: true })),
        outDisk: closing.add(await openDisk([disk, ...base.layers], { writable: true, runDir, signal })),
      };
      return new IncomingState(ctx, options, devices, closing);
    } catch (error) {
      await closing.close();
      throw error;
    }
  }

  get baseRam(): FileBlocks {
    return this.#devices.baseRam;
  }

  get baseDisk(): DiskBlocks {
    return this.#devices.baseDisk;
  }

  /** Where index and residual go. To be called once. */
  begin(twin: TwinDevices | null): ResidualSink {
    const { progress, signal } = this.#options;
    this.#sink = new ResidualSink({
      ...this.#devices,
      ...(twin === null ? {} : { twin }),
      pool: this.#ctx.hashPool,
      progress,
      signal,
    });
    return this.#sink;
  }

  /** Writes the device state; false when it is not what the manifest says. */
  async writeDevice(delta: Buffer, isWhole: boolean, manifest: GenerationManifest): Promise<boolean> {
    const path = join(this.#options.dir, "device");
    await removeFile(path);
    try {
      await applyDelta(delta, isWhole ? null : this.#options.base.devicePath, path);
    } catch (error) {
      if (isWhole) throw error;
      return false;
    }
    return (await stat(path)).size === manifest.deviceBytes && (await fileSha256(path)) === manifest.deviceSha256;
  }

  /**
   * Reads back what was written and compares it with the manifest, fetching again what is wrong.
   * @throws DAMAGED if it stays wrong
   */
  async verify(
    manifest: GenerationManifest,
    ask: Pick<RepairOptions, "askNodes" | "askBlocks">,
  ): Promise<VerifiedTrees> {
    const { base, progress, signal } = this.#options;
    const trees = await verifyAndRepair({
      sink: this.#openSink(),
      baseTrees: await readTrees(base),
      expected: manifest,
      ...ask,
      pool: this.#ctx.hashPool,
      progress,
      signal,
    });
    const root = generationRoot({
      machine: base.manifest.machine,
      ramRoot: trees.ram.root,
      diskRoot: trees.disk.root,
      deviceSha256: await fileSha256(join(this.#options.dir, "device")),
    });
    if (root !== manifest.root)
      throw new HomewardError("DAMAGED", "what was received is not what was sent", {
        data: { expected: manifest.root, actual: root },
      });
    return trees;
  }

  #openSink(): ResidualSink {
    if (this.#sink === null) throw new HomewardError("INTERNAL", "no index was added yet");
    return this.#sink;
  }

  /** Writes trees and hashes, closes everything, and returns the files as they are to be installed. */
  async complete(manifest: GenerationManifest, trees: VerifiedTrees): Promise<NewGeneration> {
    const { dir, base, signal } = this.#options;
    const { outRam, outDisk } = this.#devices;
    const parts = await writeGenerationParts(this.#ctx, {
      base,
      manifest,
      trees,
      devices: { ram: outRam, disk: outDisk },
      dirty: this.#openSink().dirty,
      dir,
      signal,
    });
    await outRam.flush();
    await outDisk.flush();
    await this.close();
    return {
      ...parts,
      ramPath: join(dir, "ram"),
      devicePath: join(dir, "device"),
      topLayer: join(dir, "disk.qcow2"),
      below: base.layerIds,
    };
  }

  /** Waits for what is under way and closes everything. May be repeated; never throws. */
  async close(): Promise<void> {
    await this.#sink?.abandon();
    await this.#closing.close();
  }
}
