import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { HomewardError } from "../../common/errors.ts";
import { noProgress } from "../../common/progress.ts";
import { explainBlocks, KIND_TEXTS } from "../../explain/index.ts";
import {
  BlockHashes,
  dirtyBlocks,
  encodeDelta,
  HashPool,
  openFileBlocks,
  ResidualSink,
  ResidualSource,
  type FileBlocks,
  type TwinDevices,
  type WritableBlockDevice,
} from "../../syncer/index.ts";
import { MODEL_LEVEL, MOST_ZSTD_LEVEL } from "../../protocol/residual/limits.ts";
import type { Bench, BenchContext } from "../bench.ts";
import type { Line } from "../line.ts";
import { BASE, DUMP_FILES, DUMPS, SOURCE } from "./dump.ts";



/** A device that takes everything and keeps nothing: only what crosses the link is measured. */
function nowhere(device: FileBlocks): WritableBlockDevice {
  return {
    blocks: device.blocks,
    read: (block, count) => device.read(block, count),
    write: () => Promise.resolve(),
    writeZeroes: () => Promise.resolve(),
    flush: () => Promise.resolve(),
  };
}

interface State {
  readonly ram: FileBlocks;
  readonly disk: FileBlocks;
}

async function openState(dir: string, cleanUp: BenchContext["cleanUp"]): Promise<State> {
  const ram = await openFileBlocks(join(dir, DUMP_FILES.ram));
  cleanUp(() => ram.close());
  const disk = await openFileBlocks(join(dir, DUMP_FILES.disk));
  cleanUp(() => disk.close());
  return { ram, disk };
}

async function devicesOf(state: State, base: State, pool: HashPool): Promise<TwinDevices> {
  return {
    ...state,
    dirtyRam: await dirtyBlocks(state.ram, base.ram, pool),
    dirtyDisk: await dirtyBlocks(state.disk, base.disk, pool),
  };
}

async function exchange(
  name: string,
  source: TwinDevices,
  base: State,
  baseHashes: { ram: BlockHashes; disk: BlockHashes },
  twin: TwinDevices | undefined,
  pool: HashPool,
): Promise<Line[]> {
  const sender = new ResidualSource({
    ...source,
    baseRam: base.ram,
    baseDisk: base.disk,
    pool,
    baseHashes,
    hasTwin: twin !== undefined,
  });
  const sink = new ResidualSink({
    baseRam: base.ram,
    baseDisk: base.disk,
    ...(twin === undefined ? {} : { twin }),
    outRam: nowhere(base.ram),
    outDisk: nowhere(base.disk),
    pool,
  });
  for await (const message of sender.index()) await sink.addIndex(message);
  const need = await sink.resolve();
  let zstd = 0;
  for await (const frame of sender.residual(need, MOST_ZSTD_LEVEL)) zstd += frame.length;
  const before = process.cpuUsage();
  let residual = 0;
  for await (const frame of sender.residual(need, MODEL_LEVEL)) residual += frame.length;
  const packing = process.cpuUsage(before);
  for await (const frame of sender.residual(need, MODEL_LEVEL)) await sink.addResidual(frame);
  await sink.finish();
  const { bytes, shipped } = sink.stats;
  return [
    { what: `${name}: index, need and residual`, value: (bytes.index + bytes.need + residual) / 1e3, unit: "kB" },
    { what: "  index", value: bytes.index / 1e3, unit: "kB" },
    { what: "  need", value: bytes.need / 1e3, unit: "kB" },
    { what: `  residual, ${shipped} blocks`, value: residual / 1e3, unit: "kB" },
    { what: "    processor time to pack it", value: (packing.user + packing.system) / 1e6, unit: "s" },
    { what: "    packed by zstd alone, level 19, of that", value: zstd / residual, unit: "" },
    ...(await kindsOf(source, base, sender.shipped)),
  ];
}

/** What was sent, kind by kind, each compressed by itself. */
async function kindsOf(source: TwinDevices, base: State, shipped: ResidualSource["shipped"]): Promise<Line[]> {
  const { kinds } = await explainBlocks({
    ram: { before: base.ram, after: source.ram, blocks: shipped.ram.runs() },
    disk: { before: base.disk, after: source.disk, blocks: shipped.disk.runs() },
    level: MOST_ZSTD_LEVEL,
    progress: noProgress,
  });
  return kinds.map(({ kind, blocks, bytes }) => ({ what: `    ${KIND_TEXTS[kind].title}, ${blocks} blocks`, value: bytes / 1e3, unit: "kB" }));
}

async function measure(session: string, { dir, cleanUp }: BenchContext): Promise<Line[]> {
  const from = join(DUMPS, session);
  const pool = HashPool.create();
  cleanUp(() => pool.close());
  const base = await openState(join(from, BASE), cleanUp);
  const source = await devicesOf(await openState(join(from, SOURCE), cleanUp), base, pool);
  const baseHashes = {
    ram: await BlockHashes.build(join(dir, `${session}-ram`), base.ram, pool),
    disk: await BlockHashes.build(join(dir, `${session}-disk`), base.disk, pool),
  };
  cleanUp(() => baseHashes.ram.close());
  cleanUp(() => baseHashes.disk.close());
  const device = await encodeDelta(join(from, SOURCE, DUMP_FILES.device), join(from, BASE, DUMP_FILES.device));
  const lines: Line[] = [{ what: `${session}: device state`, value: device.length / 1e3, unit: "kB" }];
  lines.push(...(await exchange(`${session}, overlay`, source, base, baseHashes, undefined, pool)));
  for (const name of (await readdir(from)).filter((file) => file.startsWith("twin")).sort()) {
    const twin = await devicesOf(await openState(join(from, name), cleanUp), base, pool);
    lines.push(...(await exchange(`${session}, ${name}`, source, base, baseHashes, twin, pool)));
  }
  return lines;
}

/** What would cross the link between recorded states, without a machine. */
export const residual: Bench = {
  name: "residual",
  about: "index, need and residual between states that bench/residual/record-main.ts has recorded",
  onRequest: true,
  async run(context) {
    const sessions = await readdir(DUMPS).catch(() => []);
    if (sessions.length === 0)
      throw new HomewardError("NOT_FOUND", "no session was recorded", { hint: "node bench/residual/record-main.ts" });
    const lines: Line[] = [];
    for (const session of sessions.sort()) lines.push(...(await measure(session, context)));
    return lines;
  },
};
