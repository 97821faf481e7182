import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { GenerationManifest } from "../../protocol/generation.ts";
import type { MigrationReport } from "../../protocol/report.ts";
import { HashPool } from "../../syncer/index.ts";
import { qemuVersion } from "../../vm/machine-process.ts";
import type { Bench, BenchContext } from "../bench.ts";
import type { Line } from "../line.ts";
import { MemoryPeak } from "../memory.ts";
import { peerSocket, ServiceProcess } from "../service-process.ts";
import { growGeneration, makeGeneration, total, type Changes, type SyntheticMachine } from "./synthetic-generation.ts";

const GIB = 1024 ** 3;

/** A machine that a person has used for a while. */
const MACHINE: SyntheticMachine = {
  memoryBytes: 8 * GIB,
  touchedBytes: 2 * GIB,
  diskBytes: 4 * GIB,
  writtenDiskBytes: GIB / 2,
};

/** Two ways to have dirtied 200 000 blocks: much that has to be sent, quickly packed, and little, packed as well as can be. */
const GROWN: readonly { readonly name: string; readonly changes: Changes; readonly level: number }[] = [
  { name: "fast", changes: { zeroed: 20_000, moved: 100_000, patched: 60_000, fresh: 20_000 }, level: 3 },
  { name: "small", changes: { zeroed: 20_000, moved: 170_000, patched: 8000, fresh: 2000 }, level: 19 },
];

interface Generations {
  readonly base: { readonly dir: string; readonly manifest: GenerationManifest };
  readonly grown: readonly { readonly dir: string; readonly manifest: GenerationManifest }[];
}

async function makeGenerations({ dir, say }: BenchContext): Promise<Generations> {
  say("  making a machine of 8 GiB, and two that grew from it");
  const [major = "", minor = ""] = (await qemuVersion()).split(".");
  const pool = HashPool.create();
  try {
    const base = { dir: join(dir, "base"), manifest: await makeGeneration(join(dir, "base"), MACHINE, `${major}.${minor}`, pool) };
    const grown = [];
    for (const { name, changes } of GROWN)
      grown.push({ dir: join(dir, name), manifest: await growGeneration(join(dir, name), base, MACHINE, changes, pool) });
    return { base, grown };
  } finally {
    await pool.close();
  }
}

/** Two services that both hold the base. */
async function startServices(context: BenchContext, generations: Generations, watchTurns: boolean): Promise<[ServiceProcess, ServiceProcess]> {
  const dir = join(context.dir, watchTurns ? "turns" : "memory");
  await mkdir(dir);
  const service = async (name: string, peer: string): Promise<ServiceProcess> => {
    const started = await ServiceProcess.start({ name, dir, peer: { name: peer, socket: peerSocket(dir, peer) }, watchTurns });
    context.cleanUp(() => started.end());
    return started;
  };
  const near = await service("near", "far");
  const far = await service("far", "near");
  const from = generations.base.dir;
  await near.call("create", { workspace: "base", from, verified: true });
  await far.call("create", { workspace: "base", from, owner: "near", verified: true });
  return [near, far];
}

async function moveOnce(near: ServiceProcess, generations: Generations, which: number): Promise<MigrationReport> {
  const [grown, way] = [generations.grown[which], GROWN[which]];
  if (grown === undefined || way === undefined) throw new RangeError("no such generation");
  const workspace = way.name;
  await near.call("create", { workspace, from: grown.dir, verified: true });
  const { root } = grown.manifest;
  return near.call("measure", { workspace, root, peer: "far", mode: "overlay", level: way.level });
}

function indexLine(name: string, { bytes, blocks }: MigrationReport): Line {
  const dirty = blocks.ram_dirty + blocks.disk_dirty;
  const what = `${name}: index and need, ${dirty} dirty blocks`;
  return { what, value: (bytes.index + bytes.need) / dirty, unit: "B/block", limit: { atMost: 6 } };
}

async function memory(context: BenchContext, generations: Generations): Promise<Line[]> {
  const services = await startServices(context, generations, false);
  const peaks = services.map(({ pid }) => new MemoryPeak(pid));
  const lines: Line[] = [];
  for (const [i, { name, changes, level }] of GROWN.entries()) {
    context.say(`  moving ${total(changes)} dirty blocks, ${name}`);
    const report = await moveOnce(services[0], generations, i);
    lines.push(indexLine(`level ${level}`, report));
    lines.push({ what: `level ${level}: index`, value: report.phases.index_s, unit: "s" });
    lines.push({ what: `level ${level}: residual`, value: report.phases.residual_s, unit: "s" });
    lines.push({ what: `level ${level}: verify`, value: report.phases.verify_s, unit: "s" });
  }
  for (const [i, role] of ["source", "destination"].entries()) {
    const peak = await peaks[i]?.end();
    if (peak === undefined) continue;
    // The program's own files are in the page cache once for all services, and the kernel can drop them.
    lines.push({ what: `memory of the ${role}'s service, at most`, value: peak.anonymous / 1e6, unit: "MB", limit: { atMost: 300 } });
    lines.push({ what: "  with the program's own files", value: peak.resident / 1e6, unit: "MB" });
  }
  for (const service of services) await service.end();
  await rm(join(context.dir, "memory"), { recursive: true });
  return lines;
}

async function turns(context: BenchContext, generations: Generations): Promise<Line[]> {
  const services = await startServices(context, generations, true);
  // What took long while the services started is nobody's wait.
  for (const service of services) await service.longestTurns();
  context.say("  the same again, watching the event loops");
  await moveOnce(services[0], generations, 0);
  const lines: Line[] = [];
  for (const [i, role] of ["source", "destination"].entries()) {
    const [longest = NaN, , , , fifth = NaN] = (await services[i]?.longestTurns()) ?? [];
    lines.push({ what: `longest turn of the ${role}'s event loop`, value: longest, unit: "ms", limit: { atMost: 10 } });
    lines.push({ what: "  fifth longest", value: fifth, unit: "ms" });
  }
  return lines;
}

/** Both services of a move of a machine made of synthetic content, with nothing left out but QEMU. */
export const exchange: Bench = {
  name: "exchange",
  about: "memory and event loops of both services, index bytes: 8 GiB, 200 000 dirty blocks (16 GB of disk)",
  async run(context) {
    const generations = await makeGenerations(context);
    return [...(await memory(context, generations)), ...(await turns(context, generations))];
  },
};
