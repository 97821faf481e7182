import { rm } from "node:fs/promises";
import { join } from "node:path";
import { abortReason, abortable, throwIfAborted } from "../../common/abort.ts";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import type { Progress } from "../../common/progress.ts";
import { CheckpointState, type InputEvent } from "../../protocol/input-log.ts";
import type { MachineDefinition } from "../../protocol/machine.ts";
import { replay, type ReplayReport } from "../../replayer/replay.ts";
import { rfbScreen, rfbSink } from "../../replayer/rfb-twin.ts";
import { diskSettled } from "../../replayer/settle.ts";
import { guessedSpeed } from "../../replayer/tempo.ts";
import type { BlockDevice } from "../../syncer/block-device.ts";
import { copyFileSparse, dirtyBlocks, openFileBlocks, type TwinDevices } from "../../syncer/index.ts";
import type { Limits } from "../../vm/confined.ts";
import { openDisk } from "../../vm/disk-blocks.ts";
import { createOverlay } from "../../vm/disk-image.ts";
import { prepareUefiResume } from "../../vm/firmware.ts";
import { adoptMachine, startMachine, type Machine } from "../../vm/machine-process.ts";
import { RfbClient } from "../../vm/rfb/rfb-client.ts";
import { checkpointPicture } from "../../vm/rfb/checkpoint-picture.ts";
import { ViewerHands } from "../../viewer/inject/viewer-hands.ts";
import type { ReplayPictures, ServiceContext } from "../context.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import { namedProgress } from "./named-progress.ts";

export interface TwinOptions {
  readonly migrationId: string;
  readonly base: GenerationRecord;
  /** Private folder for the twin's disk, and for its RAM where it does not fit in tmpfs. */
  readonly dir: string;
  /** Private folder for sockets. */
  readonly runDir: string;
  /** Stops the preparation only. */
  readonly signal: AbortSignal;
}

export interface TwinReplay extends TwinWork {
  /** It begins; what it shows from now on, also when it is over. */
  readonly onReplay: (pictures: ReplayPictures) => void;
  /** Ends the replay where it is; the twin is as useful as it got. */
  readonly enough: AbortSignal;
}

export interface TwinWork {
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** The stopped twin's blocks, to be closed when nothing reads them any more. */
export interface OpenTwin {
  readonly devices: TwinDevices;
  close(): Promise<void>;
}

/**
 * More than QEMU has been seen to need beside the guest's memory: its program, translated code, buffers, threads. A replay
 * takes minutes; what runs for hours does something else.
 */
const TWIN_SPARE_BYTES = { machine: 3 * 1024 ** 3, cpu: 192 * 1024 ** 2 } as const;
const TWIN_CPU_SECONDS = 4 * 60 * 60;

function twinLimits({ memoryBytes, cpus }: MachineDefinition): Limits {
  return { bytes: memoryBytes + TWIN_SPARE_BYTES.machine + cpus * TWIN_SPARE_BYTES.cpu, cpuSeconds: TWIN_CPU_SECONDS * cpus };
}

/** Name of the twin's run folder; short, for the sockets in it. */
function twinId(migrationId: string): string {
  return `twin-${migrationId.slice(0, 13)}`;
}

/**
 * A copy of the generation that replays the user's input here, with its network cut off. Its state is only ever a source
 * of blocks, so nothing about it has to be durable and none of its failures may fail a migration.
 */
export class Twin {
  readonly #ctx: ServiceContext;
  readonly #options: TwinOptions;
  readonly #machine: Machine;
  readonly #ramPath: string;
  readonly #overlay: string;
  readonly #layers: readonly string[];
  #died = false;

  private constructor(
    ctx: ServiceContext,
    options: TwinOptions,
    machine: Machine,
    ramPath: string,
    overlay: string,
  ) {
    this.#ctx = ctx;
    this.#options = options;
    this.#machine = machine;
    this.#ramPath = ramPath;
    this.#overlay = overlay;
    this.#layers = [overlay, ...options.base.layers];
  }

  /** Starts the twin; it stands, paused, exactly where the generation does. Leaves nothing behind if it fails. */
  static async prepare(ctx: ServiceContext, options: TwinOptions): Promise<Twin> {
    const { base, dir, migrationId, signal } = options;
    const definition = base.manifest.machine;
    const id = twinId(migrationId);
    try {
      const { path: ramPath } = await ctx.runDirs.placeRam(id, definition.memoryBytes, join(dir, "twin-ram"));
      await copyFileSparse(base.ramPath, ramPath, { signal });
      const overlay = join(dir, "twin.qcow2");
      await createOverlay(overlay, base.layers, definition.diskBytes);
      const run = await ctx.runDirs.create(id);
      const machine = await startMachine(
        definition,
        {
          ...(definition.firmware === "uefi" ? { uefi: await prepareUefiResume(join(dir, "twin-variables")) } : {}),
          name: id,
          ramPath,
          diskLayers: [overlay, ...base.layers],
          ...bootFiles(ctx, definition),
          runDir: run.dir,
          network: "blocked",
          limits: twinLimits(definition),
          incoming: true,
          diskFlush: "none",
          // The user may have switched it off and on again.
          afterShutdown: "stay",
        },
        signal,
      );
      const twin = new Twin(ctx, options, machine, ramPath, overlay);
      try {
        await machine.loadDeviceState(base.devicePath, signal);
        return twin;
      } catch (error) {
        await machine.kill();
        throw error;
      }
    } catch (error) {
      await ctx.runDirs.remove(id);
      throw error;
    }
  }

  /** Lets the twin run and plays the log to it. @throws GUEST if QEMU dies, NO_ROOM if the disk runs full; what `replay` throws */
  async replay(events: Iterable<InputEvent>, options: TwinReplay): Promise<ReplayReport> {
    const death = new AbortController();
    void this.#machine.exited.then(() => {
      this.#died = true;
      death.abort(new HomewardError("GUEST", "QEMU ended during the replay"));
    });
    this.#machine.onNoRoom(() => {
      death.abort(new HomewardError("NO_ROOM", "there was no room for what the machine writes in it"));
    });
    const signal = AbortSignal.any([options.signal, death.signal]);
    throwIfAborted(signal);
    const client = await RfbClient.connect(this.#machine.vncSocket, { signal });
    const hands = await this.#viewerHands(client);
    hands?.failed.addEventListener("abort", () => {
      death.abort(abortReason(hands.failed));
    });
    try {
      await this.#machine.cont();
      const direct = rfbSink(client, this.#machine);
      const recorded = new CheckpointState();
      options.onReplay({ twin: () => client.frame, recorded: () => checkpointPicture(recorded) });
      const report = replay({
        events,
        recorded,
        screen: rfbScreen(client),
        sink: hands === null ? direct : { ...direct, key: hands.key.bind(hands), pointer: hands.pointer.bind(hands) },
        settled: async (limit) => {
          await diskSettled(() => this.#machine.blockWriteBytes(), { signal: limit });
        },
        speed: guessedSpeed(),
        signal,
        enough: options.enough,
        progress: options.progress,
      });
      return await abortable(report, signal);
    } catch (error) {
      throw death.signal.aborted ? abortReason(death.signal) : toHomewardError(error);
    } finally {
      client.close();
      await hands?.stop();
    }
  }

  /** Null if input goes to QEMU directly, which it also does when a viewer cannot be opened. */
  async #viewerHands(client: RfbClient): Promise<ViewerHands | null> {
    if (!this.#ctx.replayInViewer) return null;
    try {
      return await ViewerHands.open(this.#machine.vncSocket, client);
    } catch (error) {
      this.#ctx.log.warn({ err: error, migration: this.#options.migrationId }, "the log is replayed without a viewer");
      return null;
    }
  }

  /** Stops the twin for good and finds out where it differs from the generation. @throws GUEST if it had died before */
  async open(baseRam: BlockDevice, baseDisk: BlockDevice, { progress, signal }: TwinWork): Promise<OpenTwin> {
    if (this.#died) throw new HomewardError("GUEST", "the twin's QEMU ended by itself");
    const { runDir } = this.#options;
    const pool = this.#ctx.hashPool;
    await this.#machine.pause();
    // The image is only complete, and only unlocked, once QEMU has closed it.
    await this.#machine.quit();
    const ram = await openFileBlocks(this.#ramPath);
    try {
      const disk = await openDisk(this.#layers, { writable: false, runDir, signal });
      try {
        const resolving = namedProgress("resolve", progress);
        const dirtyRam = await dirtyBlocks(ram, baseRam, pool, { progress: resolving, signal });
        const dirtyDisk = await dirtyBlocks(disk, baseDisk, pool, { candidates: disk.allocated(), signal });
        return {
          devices: { ram, disk, dirtyRam, dirtyDisk },
          close: async () => {
            await Promise.all([ram.close(), disk.close()]);
          },
        };
      } catch (error) {
        await disk.close();
        throw error;
      }
    } catch (error) {
      await ram.close();
      throw error;
    }
  }

  /** Ends QEMU and removes memory and disk. To be called after `close` of what `open` gave. */
  async destroy(): Promise<void> {
    await this.#machine.kill();
    await this.#ctx.runDirs.remove(twinId(this.#options.migrationId));
    for (const path of [this.#ramPath, this.#overlay]) await rm(path, { force: true });
  }
}

function bootFiles(
  ctx: ServiceContext,
  { kernel, initrd }: MachineDefinition,
): { kernelPath: string | null; initrdPath: string | null } {
  return {
    kernelPath: kernel === null ? null : ctx.store.paths.blob(kernel.sha256),
    initrdPath: initrd === null ? null : ctx.store.paths.blob(initrd.sha256),
  };
}

/** Ends a twin that an earlier run of the service left behind. */
export async function removeLeftTwin(ctx: ServiceContext, migrationId: string): Promise<void> {
  const id = twinId(migrationId);
  const machine = await adoptMachine(ctx.runDirs.paths(id).dir);
  await machine?.kill();
  await ctx.runDirs.remove(id);
}
