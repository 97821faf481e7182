import { copyFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { noProgress } from "../../common/progress.ts";
import type { DemoContext } from "../../demo/context.ts";
import { WORKSPACE } from "../../demo/workspace-name.ts";
import { readableEvents, type InputEvent } from "../../protocol/input-log.ts";
import type { ServiceContext } from "../../service/context.ts";
import { Twin } from "../../service/migration/twin.ts";
import type { GenerationRecord } from "../../service/store/generations-store.ts";
import { copyFileSparse, openFileBlocks, type BlockDevice, type FileBlocks } from "../../syncer/index.ts";
import { openDisk, type DiskBlocks } from "../../vm/disk-blocks.ts";
import { BASE, dumpState, KEPT_MACHINE, layerName, SOURCE } from "./dump.ts";
import { openHostContext } from "./host-context.ts";

async function recordedEvents(ctx: ServiceContext, root: string): Promise<InputEvent[]> {
  const events: InputEvent[] = [];
  const readable = readableEvents(await ctx.workspaces.get(WORKSPACE).inputLog.segments(root), (error) => {
    throw error;
  });
  for await (const event of readable) events.push(event);
  return events;
}

/** Replays the events in a new twin and keeps its state. @returns how it went, for people */
async function replayOnce(
  ctx: ServiceContext,
  name: string,
  base: GenerationRecord,
  { baseRam, baseDisk }: { readonly baseRam: BlockDevice; readonly baseDisk: BlockDevice },
  events: readonly InputEvent[],
  { work, signal }: DemoContext,
  out: string,
): Promise<string> {
  const options = { migrationId: name, base, dir: await work.make(name), runDir: await work.make(`${name}-run`), signal };
  const twin = await Twin.prepare(ctx, options);
  try {
    const todo = { progress: noProgress, signal, onReplay: () => undefined, enough: new AbortController().signal };
    const { checkpoints, replayMs } = await twin.replay(events, todo);
    const opened = await twin.open(baseRam, baseDisk, todo);
    await dumpState(join(out, name), opened.devices.ram, opened.devices.disk, null);
    await opened.close();
    return `${checkpoints.matched} of ${checkpoints.total} checkpoints in ${Math.round(replayMs / 1000)} s`;
  } finally {
    await twin.destroy();
  }
}

/** The machine's definition with what it boots from, and the source's disk as it lies on the host: to run it again. */
async function keepMachine(ctx: ServiceContext, { manifest, layers }: GenerationRecord, out: string): Promise<void> {
  const { machine } = manifest;
  await writeFile(join(out, KEPT_MACHINE.definition), JSON.stringify(machine));
  if (machine.kernel !== null) await copyFile(ctx.store.paths.blob(machine.kernel.sha256), join(out, KEPT_MACHINE.kernel));
  if (machine.initrd !== null) await copyFile(ctx.store.paths.blob(machine.initrd.sha256), join(out, KEPT_MACHINE.initrd));
  for (const [i, layer] of layers.entries()) await copyFileSparse(layer, join(out, layerName(i)));
}

export interface KeepOptions {
  /** State folder of a host that ended. */
  readonly stateDir: string;
  /** The generation that the session ended in; the one before is taken for the base. */
  readonly root: string;
  /** Folder to write; what was in it is removed. */
  readonly out: string;
  /** How many twins are to replay the session. */
  readonly replays: number;
}

/** Keeps the base's and the source's state, the machine, and the state of twins that replay the session now. */
export async function keepStates({ stateDir, root, out, replays }: KeepOptions, demo: DemoContext, say: (text: string) => void): Promise<void> {
  const { cleanup, signal, work } = demo;
  const ctx = await openHostContext(stateDir, cleanup, signal);
  const source = ctx.store.generations.require(root);
  const base = ctx.store.generations.require(source.manifest.parent ?? "");
  await rm(out, { recursive: true, force: true });
  const runDir = await work.make("run");
  const disk = async ({ layers }: GenerationRecord): Promise<DiskBlocks> => {
    const opened = await openDisk(layers, { writable: false, runDir });
    cleanup.add(() => opened.close());
    return opened;
  };
  const ram = async ({ ramPath }: GenerationRecord): Promise<FileBlocks> => {
    const opened = await openFileBlocks(ramPath);
    cleanup.add(() => opened.close());
    return opened;
  };
  const [baseRam, baseDisk] = [await ram(base), await disk(base)];
  await dumpState(join(out, BASE), baseRam, baseDisk, base.devicePath);
  await dumpState(join(out, SOURCE), await ram(source), await disk(source), source.devicePath);
  await keepMachine(ctx, source, out);
  const events = await recordedEvents(ctx, base.root);
  for (let i = 1; i <= replays; i++) {
    const told = await replayOnce(ctx, `twin-${i}`, base, { baseRam, baseDisk }, events, demo, out);
    say(`  twin-${i}: ${told}`);
  }
}
