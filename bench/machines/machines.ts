import { copyFile, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { delay } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import { run } from "../../common/spawn.ts";
import { playSession } from "../../demo/session/player.ts";
import { parseSession } from "../../demo/session/format.ts";
import { buildGuest } from "../../guests/build.ts";
import { GUEST_FILES, formatGuestDefinition, parseGuestDefinition } from "../../guests/definition.ts";
import { StatePaths } from "../../service/store/paths.ts";
import { RfbClient } from "../../vm/rfb/rfb-client.ts";
import type { Bench, BenchContext } from "../bench.ts";
import { isRowWritten, promptShown } from "../console/tiny-machine.ts";
import type { Line } from "../line.ts";
import { MemoryPeak } from "../memory.ts";
import { ServiceProcess } from "../service-process.ts";

const MIB = 1024 * 1024;
const SIZES_MIB = [512, 2048, 8192];
/** Share of the memory that the guest has written to; the rest it never touched, and no file holds it. */
const TOUCHED = 0.75;
const PIECE_MIB = 16;
const FILL_MS = 15 * 60_000;
/** A row of the console that the dots, one for each piece, do not reach. */
const SIGN_ROW = 20;

/** The tiny guest's folder with another size of memory. */
async function guestWithMemory(dir: string, memoryMiB: number, signal: AbortSignal): Promise<string> {
  const guest = await buildGuest("tiny", { signal });
  await mkdir(dir);
  for (const file of [GUEST_FILES.disk, GUEST_FILES.kernel, GUEST_FILES.initrd])
    await copyFile(join(guest.dir, file), join(dir, file));
  const definition = parseGuestDefinition(await readFile(join(guest.dir, GUEST_FILES.definition), "utf8"));
  await writeFile(join(dir, GUEST_FILES.definition), formatGuestDefinition({ ...definition, memoryMiB }));
  return dir;
}

/** Has the guest write into a file system in its memory, and waits until it says so. @throws TIMEOUT */
async function fillMemory(viewer: RfbClient, memoryMiB: number, signal: AbortSignal): Promise<void> {
  const pieces = Math.floor((memoryMiB * TOUCHED) / PIECE_MIB) - 4;
  const text = [
    "clear; mount -t tmpfs -o size=95% t /mnt; cd /mnt",
    `head -c ${PIECE_MIB * MIB} /dev/urandom > 0`,
    `for i in $(seq ${pieces}); do cat 0 > $i || break; echo -n .; done; yes | head -n ${SIGN_ROW + 3}\n`,
  ].join("; ");
  const session = { name: "fill", description: "Fills the memory.", guest: "tiny", pace: { key_ms: 30, pause_ms: 0 }, steps: [{ type: text }] };
  await playSession(viewer, parseSession(JSON.stringify(session)), { signal });
  const deadline = performance.now() + FILL_MS;
  while (!isRowWritten(viewer.frame, SIGN_ROW)) {
    if (performance.now() > deadline) throw new HomewardError("TIMEOUT", "the guest did not fill its memory");
    await delay(200, signal);
  }
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) / 1000;
}

/** Copies the file as `cp` does it, leaving out zeroes, until it is on the disk. */
async function copyAndSync(from: string, to: string, signal: AbortSignal): Promise<void> {
  await run("cp", ["--sparse=always", "--", from, to], { signal });
  await run("sync", ["--", to], { signal });
}

async function measure(service: ServiceProcess, context: BenchContext, memoryMiB: number): Promise<Line[]> {
  const { dir, signal, say } = context;
  const workspace = `m${memoryMiB}`;
  say(`  a guest with ${memoryMiB} MiB`);
  const from = await guestWithMemory(join(dir, workspace), memoryMiB, signal);
  await service.call("create", { workspace, from, accelerator: "tcg" });
  await service.call("start", { workspace });
  const { path } = await service.call("console", { workspace });
  const viewer = await RfbClient.connect(path);
  await promptShown(viewer, signal);
  await fillMemory(viewer, memoryMiB, signal);
  viewer.close();
  const peak = new MemoryPeak(service.pid);
  const suspendS = await seconds(() => service.call("suspend", { workspace }));
  const { ram } = new StatePaths(join(dir, "host")).workspace(workspace).saved;
  const savedBytes = (await stat(ram)).blocks * 512;
  const copyS = await seconds(() => copyAndSync(ram, join(dir, "copy"), signal));
  await rm(join(dir, "copy"));
  const resumeS = await seconds(async () => {
    await service.call("start", { workspace });
    (await RfbClient.connect((await service.call("console", { workspace })).path)).close();
  });
  const { anonymous } = await peak.end();
  await service.call("power", { workspace, action: "off" });
  await service.call("delete", { workspace });
  const saved = `${Math.round(savedBytes / 1e6)} MB written to`;
  return [
    { what: `${memoryMiB} MiB, ${saved}: suspend, all of it synced`, value: suspendS, unit: "s" },
    { what: "  of cp --sparse=always and sync", value: suspendS / copyS, unit: "" },
    { what: "  resume, until its screen is there", value: resumeS, unit: "s" },
    { what: "  memory of the service, at most", value: anonymous / 1e6, unit: "MB", limit: { atMost: 300 } },
  ];
}

/** Machines of three sizes, most of whose memory was written to. */
export const machines: readonly Bench[] = SIZES_MIB.map((memoryMiB) => ({
  name: `machine-${memoryMiB}`,
  about: `suspend and resume of a machine with ${memoryMiB} MiB (three times as much of disk, twice of memory)`,
  async run(context) {
    const service = await ServiceProcess.start({ name: "host", dir: context.dir });
    context.cleanUp(() => service.end());
    return measure(service, context, memoryMiB);
  },
}));
