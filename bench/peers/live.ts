import { mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withTimeout } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import { noProgress } from "../../common/progress.ts";
import { Link } from "../../demo/link/link.ts";
import { compareDisks } from "../../demo/verify/compare-disks.ts";
import { machineDefinitionSchema, type MachineDefinition } from "../../protocol/machine.ts";
import { copyFileSparse } from "../../syncer/index.ts";
import type { MachineFiles } from "../../vm/arguments.ts";
import { TOP_NODE } from "../../vm/disk-chain.ts";
import { createOverlay } from "../../vm/disk-image.ts";
import { startMachine, type Machine } from "../../vm/machine-process.ts";
import type { QmpEvent } from "../../vm/qmp-client.ts";
import { DUMP_FILES, KEPT_MACHINE, layerName, SOURCE } from "../residual/dump.ts";
import { PLAYED_FILE, playedSchema } from "./homeward.ts";
import { ROUND_TRIP_MS, timesFromMeasured, type Row } from "./method.ts";
import { sameFiles } from "./peer.ts";
import { TreeUse } from "./process-tree.ts";

/** A slower line would show nothing but its own rate: all RAM that is not zero crosses it. */
const MEASURED_MBIT = 100;
const LIMIT_MS = 30 * 60_000;
const MIRROR = "mirror0";

interface Variant {
  readonly method: string;
  readonly capabilities: readonly string[];
  readonly parameters: Readonly<Record<string, unknown>>;
}

const VARIANTS: readonly Variant[] = [
  { method: "QEMU live migration", capabilities: [], parameters: {} },
  { method: "QEMU live migration, XBZRLE", capabilities: ["xbzrle"], parameters: { "xbzrle-cache-size": 512 * 1024 * 1024 } },
  {
    method: "QEMU live migration, multifd with zstd",
    capabilities: ["multifd"],
    parameters: { "multifd-channels": 2, "multifd-compression": "zstd", "multifd-zstd-level": 3 },
  },
];

/** Resolves with the first event that is wanted; to be asked for before what causes it. */
function event(machine: Machine, wanted: (event: QmpEvent) => boolean, what: string): Promise<QmpEvent> {
  const { promise, resolve, reject } = Promise.withResolvers<QmpEvent>();
  const stop = machine.qmp.onEvent((found) => {
    if (found.name === "MIGRATION" && found.data["status"] === "failed") reject(new HomewardError("GUEST", `${what}: QEMU says failed`));
    if (wanted(found)) resolve(found);
  });
  void machine.qmp.closed.then(() => {
    reject(new HomewardError("GUEST", `${what}: QEMU went away`));
  });
  promise.catch(() => undefined);
  return withTimeout(promise, LIMIT_MS, what).finally(stop);
}

const reached = (status: string) => (found: QmpEvent) => found.name === "MIGRATION" && found.data["status"] === status;
const named = (name: string) => (found: QmpEvent) => found.name === name;
const unixAddress = (path: string): object => ({ type: "unix", path });

async function setUp(machine: Machine, { capabilities, parameters }: Variant): Promise<void> {
  const on = ["events", "pause-before-switchover", ...capabilities];
  const all = [...on.map((capability) => ({ capability, state: true })), { capability: "x-ignore-shared", state: false }];
  await machine.qmp.execute("migrate-set-capabilities", { capabilities: all });
  if (Object.keys(parameters).length > 0) await machine.qmp.execute("migrate-set-parameters", parameters);
}

interface Pair {
  readonly source: Machine;
  readonly target: Machine;
  readonly files: { readonly source: MachineFiles; readonly target: MachineFiles };
}

/** The source stands where the session ended; the target has the disk's base and waits. */
async function startPair(states: string, dir: string, machine: MachineDefinition, add: (machine: Machine) => void, signal: AbortSignal): Promise<Pair> {
  const layers = (await readdir(states)).filter((name) => /^layer-\d+\.qcow2$/.test(name)).length;
  const below = Array.from({ length: layers - 1 }, (_, i) => join(states, layerName(i + 1)));
  const common = {
    kernelPath: machine.kernel === null ? null : join(states, KEPT_MACHINE.kernel),
    initrdPath: machine.initrd === null ? null : join(states, KEPT_MACHINE.initrd),
    network: "blocked",
    incoming: true,
    diskFlush: "none",
    afterShutdown: "end",
  } as const;
  const files = (name: string): MachineFiles => ({
    ...common,
    name,
    ramPath: join(dir, `${name}-ram`),
    diskLayers: [join(dir, `${name}.qcow2`), ...below],
    runDir: join(dir, name),
  });
  const both = { source: files("source"), target: files("target") };
  await copyFileSparse(join(states, SOURCE, DUMP_FILES.ram), both.source.ramPath, { signal });
  await copyFileSparse(join(states, layerName(0)), join(dir, "source.qcow2"), { signal });
  await writeFile(both.target.ramPath, "", { mode: 0o600 });
  await truncate(both.target.ramPath, machine.memoryBytes);
  await createOverlay(join(dir, "target.qcow2"), below, machine.diskBytes);
  const source = await startMachine(machine, both.source, signal);
  add(source);
  await source.loadDeviceState(join(states, SOURCE, DUMP_FILES.device), signal);
  const target = await startMachine(machine, both.target, signal);
  add(target);
  return { source, target, files: both };
}

/**
 * Mirrors the disk, then sends RAM, of a source that stands still: of a running one 36 pages came out different here, a few
 * bytes each (QEMU 7.2, software emulation; it is not known why).
 */
async function migrate({ source, target }: Pair, variant: Variant, sockets: Record<"ramNear" | "ramFar" | "diskNear" | "diskFar", string>): Promise<void> {
  await Promise.all([setUp(source, variant), setUp(target, variant)]);
  await target.qmp.execute("nbd-server-start", { addr: { type: "unix", data: { path: sockets.diskFar } } });
  await target.qmp.execute("block-export-add", { type: "nbd", id: "disk", "node-name": TOP_NODE, name: "disk", writable: true });
  await target.qmp.execute("migrate-incoming", { uri: `unix:${sockets.ramFar}` });
  const mirrored = event(source, named("BLOCK_JOB_READY"), "mirroring the disk");
  await source.qmp.execute("blockdev-add", { driver: "nbd", "node-name": "far", server: unixAddress(sockets.diskNear), export: "disk" });
  await source.qmp.execute("blockdev-mirror", { "job-id": MIRROR, device: TOP_NODE, target: "far", sync: "top" });
  await mirrored;
  const paused = event(source, reached("pre-switchover"), "sending RAM");
  await source.qmp.execute("migrate", { uri: `unix:${sockets.ramNear}` });
  await paused;
  const complete = event(source, named("BLOCK_JOB_COMPLETED"), "ending the mirror");
  await source.qmp.execute("block-job-cancel", { device: MIRROR });
  await complete;
  const arrived = Promise.all([
    event(source, reached("completed"), "sending the rest"),
    event(target, reached("completed"), "taking the rest"),
  ]);
  await source.qmp.execute("migrate-continue", { state: "pre-switchover" });
  await arrived;
}

async function measure(states: string, dir: string, machine: MachineDefinition, variant: Variant, signal: AbortSignal): Promise<Row> {
  const machines: Machine[] = [];
  const at = (name: string): string => join(dir, name);
  const sockets = { ramNear: at("rn"), ramFar: at("rf"), diskNear: at("dn"), diskFar: at("df") };
  const link = await Link.start(`${MEASURED_MBIT}mbit,${ROUND_TRIP_MS}ms`, [
    { direction: 0, listen: sockets.ramNear, to: sockets.ramFar },
    { direction: 0, listen: sockets.diskNear, to: sockets.diskFar },
  ]);
  try {
    const pair = await startPair(states, dir, machine, (started) => machines.push(started), signal);
    const uses = await Promise.all([pair.source, pair.target].map(({ pid }) => TreeUse.start(pid)));
    const startMs = performance.now();
    await migrate(pair, variant, sockets);
    const seconds = (performance.now() - startMs) / 1000;
    const took = await Promise.all(uses.map((use) => use.end()));
    const bytes = await link.settledBytes();
    for (const each of [pair.target, pair.source]) await each.quit();
    const { source, target } = pair.files;
    const disks = await compareDisks(source.diskLayers, target.diskLayers, machine.diskBytes, noProgress, signal);
    return {
      method: variant.method,
      bytes,
      times: timesFromMeasured(bytes, new Map([[MEASURED_MBIT, seconds]])),
      cpu_s: took.reduce((sum, { cpuS }) => sum + cpuS, 0),
      peak_bytes: Math.max(...took.map(({ peakBytes }) => peakBytes)),
      identical: disks.identical && (await sameFiles(source.ramPath, target.ramPath, signal)),
      note: "disk mirrored over its base; the machine stands still, so that nothing is sent twice: the least it can take",
    };
  } finally {
    for (const each of machines) await each.kill().catch(() => undefined);
    await link.stop();
  }
}

/** QEMU's own live migration from where the session ended, in three ways. @param dir private and empty */
async function liveMigrations(states: string, dir: string, signal: AbortSignal): Promise<Row[]> {
  const machine = machineDefinitionSchema.parse(JSON.parse(await readFile(join(states, KEPT_MACHINE.definition), "utf8")));
  const rows: Row[] = [];
  for (const variant of VARIANTS) {
    const own = join(dir, "live");
    await mkdir(own, { mode: 0o700 });
    rows.push(await measure(states, own, machine, variant, signal));
    await rm(own, { recursive: true, force: true });
  }
  return rows;
}

/** Adds them to what is kept beside the states. */
export async function addLive(states: string, dir: string, signal: AbortSignal): Promise<void> {
  const path = join(states, PLAYED_FILE);
  const played = playedSchema.parse(JSON.parse(await readFile(path, "utf8")));
  const others = played.rows.filter(({ method }) => VARIANTS.every((variant) => variant.method !== method));
  const rows = [...others, ...(await liveMigrations(states, dir, signal))];
  await writeFile(path, `${JSON.stringify({ ...played, rows }, null, 2)}\n`);
}
