import { access, mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Progress } from "../common/progress.ts";
import { buildGuest, type Guest } from "../guests/build.ts";
import { defaultCacheDir, processStart } from "../guests/cache.ts";
import type { GuestName } from "../guests/definition.ts";
import { probeAccelerator } from "../vm/accelerator.ts";
import { qemuVersion } from "../vm/machine-process.ts";
import { openConsole } from "./console.ts";
import { Host, type HostOptions } from "./host.ts";
import { guestReady } from "./ready.ts";
import type { DemoContext } from "./context.ts";
import { WORKSPACE } from "./workspace-name.ts";

/** Raised when what is sealed changes although guest, QEMU and accelerator do not. */
const SEAL_FORMAT = 1;

/** On two slow cores. */
const USUAL_SECONDS: Readonly<Record<GuestName, { readonly build: number; readonly seal: number }>> = {
  tiny: { build: 10, seal: 26 },
  desktop: { build: 110, seal: 100 },
};

/** A guest that was booted once, until it had nothing left to do, and sealed. */
export interface SealedGuest {
  /** Exported generation; both hosts start from a copy of it. */
  readonly dir: string;
  readonly guest: Guest;
}

/** Folder of the sealed generation in the cache: everything that decides whether it can be used is in its name. */
async function sealedDir(guest: Guest, signal: AbortSignal): Promise<string> {
  const { accelerator } = await probeAccelerator(signal);
  const [major, minor] = (await qemuVersion()).split(".");
  const name = `${basename(guest.dir)}-qemu${major ?? ""}.${minor ?? ""}-${accelerator}-${SEAL_FORMAT}`;
  return join(defaultCacheDir(), "sealed", name);
}

/** Removes what other versions of this guest, or runs that were killed, left in the cache. */
async function removeStale(current: string, guest: GuestName): Promise<void> {
  const folder = dirname(current);
  for (const name of await readdir(folder)) {
    const writer = /\.new-(\d+)(?:\.partial)?$/.exec(name)?.[1];
    const isUnfinished = writer !== undefined && (await processStart(Number(writer))) === undefined;
    const isOutdated = writer === undefined && name.startsWith(`${guest}-`) && name !== basename(current);
    if (isUnfinished || isOutdated) await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** Boots the guest on a host of its own, waits until it is ready, and writes the sealed generation to `target`. */
async function bootAndSeal(guest: Guest, target: string, progress: Progress, context: DemoContext): Promise<void> {
  const { work, cleanup, signal } = context;
  const options: HostOptions = { name: "boot", work: work.path, shared: [], hidden: [], peers: [] };
  await work.make(options.name);
  let stop = (): Promise<void> => Promise.resolve();
  const host = await Host.start(
    options,
    (undo) => {
      stop = undo;
      cleanup.add(undo);
    },
    signal,
  );
  const callOptions = { signal, progress };
  await host.call("create", { workspace: WORKSPACE, from: guest.dir }, callOptions);
  await host.call("start", { workspace: WORKSPACE }, callOptions);
  const client = await openConsole(host, signal);
  const overlay = join(host.stateDir, "workspaces", WORKSPACE, "disk.qcow2");
  await guestReady(guest.definition.name, client, overlay, progress, signal);
  client.close();
  await host.call("seal", { workspace: WORKSPACE, export: target }, callOptions);
  await stop();
  await rm(join(work.path, options.name), { recursive: true, force: true });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Builds the guest and seals it, or finds both in the cache. */
export async function prepare(name: GuestName, context: DemoContext): Promise<SealedGuest> {
  const { phases, signal } = context;
  const usual = USUAL_SECONDS[name];
  const guest = await phases.run("build the guest", usual.build, (progress) => buildGuest(name, { progress, signal }));
  const dir = await sealedDir(guest, signal);
  if (await exists(join(dir, "generation.json"))) return { dir, guest };
  await phases.run("boot and seal the guest", usual.seal, async (progress) => {
    await mkdir(dirname(dir), { recursive: true });
    await removeStale(dir, name);
    const unfinished = `${dir}.new-${process.pid}`;
    context.cleanup.add(() => rm(unfinished, { recursive: true, force: true }));
    await bootAndSeal(guest, unfinished, progress, context);
    await rename(unfinished, dir);
  });
  return { dir, guest };
}
