import { rm } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { EXIT_STATUS, HomewardError, toHomewardError } from "../../common/errors.ts";
import { noProgress } from "../../common/progress.ts";
import { Cleanup } from "../../demo/cleanup.ts";
import type { DemoContext } from "../../demo/context.ts";
import { Host } from "../../demo/host.ts";
import { parseLinkSpeed } from "../../demo/link/speed.ts";
import { readSession, useMachine, wakeMachine } from "../../demo/person.ts";
import { Phases } from "../../demo/phases.ts";
import { prepare } from "../../demo/prepare.ts";
import { WorkFolder } from "../../demo/work-folder.ts";
import type { Session } from "../../demo/session/format.ts";
import { WORKSPACE } from "../../demo/workspace-name.ts";
import { readableEvents, type InputEvent } from "../../protocol/input-log.ts";
import type { ServiceContext } from "../../service/context.ts";
import { Twin } from "../../service/migration/twin.ts";
import type { GenerationRecord } from "../../service/store/generations-store.ts";
import { openFileBlocks, type BlockDevice, type FileBlocks } from "../../syncer/index.ts";
import { openDisk, type DiskBlocks } from "../../vm/disk-blocks.ts";
import { BASE, DUMPS, dumpState, SOURCE } from "./dump.ts";
import { openHostContext } from "./host-context.ts";

/**
 * Plays a session on the desktop guest once, suspends it, replays it in several twins, and keeps what a migration has to do
 * with: the generation, the source's state and each twin's, in out/residual/SESSION. The bench `residual` reads such folders.
 * With --first another session is played before, and sealed, so that the generation is that of a machine in use.
 *   node bench/residual/record-main.ts [--session NAME] [--first NAME] [--replays N]
 */
const NEEDED_BYTES = 10e9;

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => {
    stop.abort(new HomewardError("CANCELLED", "stopped"));
  });

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function sessionPath(name: string): string {
  return join(import.meta.dirname, "..", "..", "demo", "sessions", `${name}.json`);
}

async function demoContext(session: string, cleanup: Cleanup): Promise<DemoContext> {
  const sessionFile = sessionPath(session);
  const linkText = "1mbit,50ms";
  const work = await WorkFolder.create(NEEDED_BYTES);
  cleanup.add(() => work.remove());
  const reporter = {
    update: () => undefined,
    phaseDone: (title: string, seconds: number) => {
      say(`  ${title}: ${Math.round(seconds)} s`);
    },
    say,
    error: (error: HomewardError) => {
      say(error.message);
    },
    report: () => undefined,
  };
  return {
    options: { json: false, guest: "desktop", sessionFile, linkText, link: parseLinkSpeed(linkText), out: work.path, keep: false },
    session: await readSession(sessionFile, "desktop"),
    work,
    cleanup,
    phases: new Phases(reporter),
    signal: stop.signal,
  };
}

/** Plays one session after the other on a host of its own, seals what comes of each, and ends the host. */
async function playAll(sessions: readonly Session[], demo: DemoContext): Promise<{ stateDir: string; root: string }> {
  const { phases, signal, work, cleanup } = demo;
  const sealed = await prepare("desktop", demo);
  await work.make("laptop");
  let end = (): Promise<void> => Promise.resolve();
  const options = { name: "laptop", work: work.path, shared: [], hidden: [], peers: [] };
  const host = await Host.start(
    options,
    (undo) => {
      end = undo;
      cleanup.add(undo);
    },
    signal,
  );
  await host.call("create", { workspace: WORKSPACE, from: sealed.dir }, { signal });
  let root = "";
  for (const session of sessions) {
    const client = await wakeMachine(host, noProgress, signal);
    await phases.run(`use it: ${session.name}`, 60, (progress) => useMachine(client, session, progress, signal));
    client.close();
    await host.call("suspend", { workspace: WORKSPACE }, { signal });
    ({ root } = await host.call("seal", { workspace: WORKSPACE }, { signal }));
  }
  await host.suspendAndStop();
  await end();
  return { stateDir: host.stateDir, root };
}

async function recordedEvents(ctx: ServiceContext, root: string): Promise<InputEvent[]> {
  const events: InputEvent[] = [];
  const readable = readableEvents(await ctx.workspaces.get(WORKSPACE).inputLog.segments(root), (error) => {
    throw error;
  });
  for await (const event of readable) events.push(event);
  return events;
}

/** Replays the events in a new twin and keeps its state. */
async function replayOnce(
  ctx: ServiceContext,
  name: string,
  base: GenerationRecord,
  { baseRam, baseDisk }: { readonly baseRam: BlockDevice; readonly baseDisk: BlockDevice },
  events: readonly InputEvent[],
  { work }: DemoContext,
  out: string,
): Promise<void> {
  const options = { migrationId: name, base, dir: await work.make(name), runDir: await work.make(`${name}-run`), signal: stop.signal };
  const twin = await Twin.prepare(ctx, options);
  try {
    const todo = { progress: noProgress, signal: stop.signal, onReplay: () => undefined };
    const { checkpoints, replayMs } = await twin.replay(events, todo);
    say(`  ${name}: ${checkpoints.matched} of ${checkpoints.total} checkpoints in ${Math.round(replayMs / 1000)} s`);
    const opened = await twin.open(baseRam, baseDisk, todo);
    await dumpState(join(out, name), opened.devices.ram, opened.devices.disk, null);
    await opened.close();
  } finally {
    await twin.destroy();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { session: { type: "string", default: "edit" }, first: { type: "string" }, replays: { type: "string", default: "3" } },
  });
  const out = join(DUMPS, values.session);
  const cleanup = new Cleanup();
  try {
    const demo = await demoContext(values.session, cleanup);
    const first = values.first === undefined ? [] : [await readSession(sessionPath(values.first), "desktop")];
    const { stateDir, root } = await playAll([...first, demo.session], demo);
    const ctx = await openHostContext(stateDir, cleanup, stop.signal);
    const source = ctx.store.generations.require(root);
    const base = ctx.store.generations.require(source.manifest.parent ?? "");
    await rm(out, { recursive: true, force: true });
    const runDir = await demo.work.make("run");
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
    const events = await recordedEvents(ctx, base.root);
    for (let i = 1; i <= Number(values.replays); i++)
      await replayOnce(ctx, `twin-${i}`, base, { baseRam, baseDisk }, events, demo, out);
    say(out);
  } finally {
    for (const problem of await cleanup.run()) say(problem.message);
  }
}

try {
  await main();
} catch (thrown) {
  const { code, message } = toHomewardError(thrown);
  say(message);
  process.exitCode = EXIT_STATUS[code];
}
