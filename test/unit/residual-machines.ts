import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  answerNarrow,
  BLOCK_BYTES,
  BlockHashes,
  copyFileSparse,
  dirtyBlocks,
  HashPool,
  MerkleTree,
  openFileBlocks,
  ResidualSink,
  ResidualSource,
  verifyAndRepair,
  type BlockDevice,
  type FileBlocks,
  type SinkStats,
  type SourceStats,
} from "../../syncer/index.ts";

/** Small machines in real files, and a whole residual exchange between two of their states. */

/** Numbers below `limit` from a seed (mulberry32), so that a failure can be repeated. */
export type Random = (limit: number) => number;

export function seeded(seed: number): Random {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  };
}

export function randomBlock(random: Random): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  for (let at = 0; at < BLOCK_BYTES; at += 4) block.writeUInt32LE(random(0x1_0000_0000), at);
  return block;
}

export interface State {
  readonly ram: Buffer;
  readonly disk: Buffer;
}

function blockOf(device: Buffer, block: number): Buffer {
  return device.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
}

/** A state with zero blocks, duplicates and contents that RAM and disk share. */
export function randomState(random: Random, ramBlocks: number, diskBlocks: number): State {
  const contents = Array.from({ length: 40 }, () => randomBlock(random));
  const device = (blocks: number): Buffer => {
    const data = Buffer.alloc(blocks * BLOCK_BYTES);
    for (let i = 0; i < blocks; i++) {
      const kind = random(4);
      if (kind === 0) continue;
      (kind === 1 ? contents[random(contents.length)] : randomBlock(random))?.copy(data, i * BLOCK_BYTES);
    }
    return data;
  };
  return { ram: device(ramBlocks), disk: device(diskBlocks) };
}

/** The state after some work: blocks zeroed, written anew, patched, moved between RAM and disk, taken from `others`. */
export function worked(random: Random, base: State, share: number, others: readonly State[] = []): State {
  const next = { ram: Buffer.from(base.ram), disk: Buffer.from(base.disk) };
  const sources = [base, next, ...others];
  for (const device of [next.ram, next.disk]) {
    const blocks = device.length / BLOCK_BYTES;
    for (let n = 0; n < blocks * share; n++) {
      const target = blockOf(device, random(blocks));
      const kind = random(10);
      if (kind === 0) target.fill(0);
      else if (kind <= 2) randomBlock(random).copy(target);
      else if (kind <= 4) target.writeUInt32LE(random(0x1_0000_0000), random(BLOCK_BYTES / 4) * 4);
      else {
        const source = sources[random(sources.length)] ?? base;
        const from = random(2) === 0 ? source.ram : source.disk;
        blockOf(from, random(from.length / BLOCK_BYTES)).copy(target);
      }
    }
  }
  return next;
}

/** The same device without its file descriptor, as a disk behind an image format is. */
export function withoutFile(device: FileBlocks): BlockDevice {
  return { blocks: device.blocks, read: (block, count) => device.read(block, count) };
}

/** A temporary folder whose files hold states; closes and removes everything. */
export class Lab {
  readonly folder: string;
  readonly pool: HashPool;
  readonly #open: { close(): Promise<void> }[] = [];

  private constructor(folder: string, pool: HashPool) {
    this.folder = folder;
    this.pool = pool;
  }

  static async create(pool: HashPool): Promise<Lab> {
    return new Lab(await mkdtemp(join(tmpdir(), "homeward-residual-")), pool);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  keep<T extends { close(): Promise<void> }>(open: T): T {
    this.#open.push(open);
    return open;
  }

  async device(name: string, data: Buffer): Promise<FileBlocks> {
    await writeFile(this.path(name), data);
    return this.keep(await openFileBlocks(this.path(name)));
  }

  async state(name: string, state: State): Promise<{ ram: FileBlocks; disk: FileBlocks }> {
    return { ram: await this.device(`${name}.ram`, state.ram), disk: await this.device(`${name}.disk`, state.disk) };
  }

  async close(): Promise<void> {
    for (const open of this.#open) await open.close();
    await rm(this.folder, { recursive: true });
  }
}

export type MessageName = "index" | "need" | "frame" | "narrow" | "nodes" | "refetch" | "again";

export interface ExchangeOptions {
  readonly base: State;
  /** The destination's copy of the base, where it is damaged. */
  readonly badBase?: State;
  readonly current: State;
  readonly twin?: State;
  readonly level?: number;
  readonly hashBits?: number;
  readonly signal?: AbortSignal;
  /** What is done with the source before the exchange begins. */
  readonly before?: (source: ResidualSource) => Promise<void>;
  /** Changes messages on their way. */
  readonly tamper?: (name: MessageName, message: Buffer) => Buffer;
}

export interface ExchangeResult {
  readonly arrived: State;
  readonly source: SourceStats;
  readonly sink: SinkStats;
  readonly refetched: number;
  readonly trees: { readonly ram: MerkleTree; readonly disk: MerkleTree };
}

/** The whole exchange, messages handed over in memory, devices in files; the disk is read as one behind an image format. */
export async function exchange(lab: Lab, options: ExchangeOptions): Promise<ExchangeResult> {
  const { pool } = lab;
  const { tamper = (_name: MessageName, message: Buffer) => message, level = 3 } = options;
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const base = await lab.state("base", options.base);
  const current = await lab.state("current", options.current);
  const baseDisk = withoutFile(base.disk);
  const currentDisk = withoutFile(current.disk);
  const baseHashes = {
    ram: lab.keep(await BlockHashes.build(lab.path("ram.hashes"), base.ram, pool)),
    disk: lab.keep(await BlockHashes.build(lab.path("disk.hashes"), baseDisk, pool)),
  };
  const baseTrees = { ram: await MerkleTree.build(base.ram, pool), disk: await MerkleTree.build(baseDisk, pool) };

  const dirtyRam = await dirtyBlocks(current.ram, base.ram, pool);
  const dirtyDisk = await dirtyBlocks(currentDisk, baseDisk, pool);
  const trees = {
    ram: await baseTrees.ram.update(current.ram, dirtyRam, pool),
    disk: await baseTrees.disk.update(currentDisk, dirtyDisk, pool),
  };
  const source = new ResidualSource({
    ram: current.ram,
    disk: currentDisk,
    baseRam: base.ram,
    baseDisk,
    dirtyRam,
    dirtyDisk,
    pool,
    baseHashes,
    hasTwin: options.twin !== undefined,
    ...(options.hashBits === undefined ? {} : { hashBits: options.hashBits }),
    ...signal,
  });

  const held = options.badBase === undefined ? base : await lab.state("bad", options.badBase);
  const copied = options.badBase === undefined ? "base" : "bad";
  await copyFileSparse(lab.path(`${copied}.ram`), lab.path("out.ram"));
  await copyFileSparse(lab.path(`${copied}.disk`), lab.path("out.disk"));
  const outRam = lab.keep(await openFileBlocks(lab.path("out.ram"), { writable: true }));
  const outDisk = lab.keep(await openFileBlocks(lab.path("out.disk"), { writable: true }));
  const sink = new ResidualSink({
    baseRam: held.ram,
    baseDisk: withoutFile(held.disk),
    outRam,
    outDisk,
    pool,
    ...(await twinOf(lab, options.twin, base)),
    ...signal,
  });

  try {
    await options.before?.(source);
    for await (const message of source.index()) await sink.addIndex(tamper("index", message));
    const need = (await sink.resolve()).map((message) => tamper("need", message));
    for await (const frame of source.residual(need, level)) await sink.addResidual(tamper("frame", frame));
    await sink.finish();
    const verified = await verifyAndRepair({
      sink,
      baseTrees,
      expected: { ramRoot: trees.ram.root, diskRoot: trees.disk.root },
      askNodes: (request) => Promise.resolve(tamper("nodes", answerNarrow(tamper("narrow", request), trees))),
      async *askBlocks(request) {
        for await (const frame of source.refetch(tamper("refetch", request), level)) yield tamper("again", frame);
      },
      pool,
      ...signal,
    });
    const arrived = { ram: await readFile(lab.path("out.ram")), disk: await readFile(lab.path("out.disk")) };
    return { arrived, source: source.stats, sink: sink.stats, refetched: verified.refetched, trees: verified };
  } finally {
    await sink.abandon();
  }
}

async function twinOf(
  lab: Lab,
  state: State | undefined,
  base: { ram: FileBlocks; disk: FileBlocks },
): Promise<{ twin?: ConstructorParameters<typeof ResidualSink>[0]["twin"] & object }> {
  if (state === undefined) return {};
  const twin = await lab.state("twin", state);
  return {
    twin: {
      ram: twin.ram,
      disk: withoutFile(twin.disk),
      dirtyRam: await dirtyBlocks(twin.ram, base.ram, lab.pool),
      dirtyDisk: await dirtyBlocks(twin.disk, base.disk, lab.pool),
    },
  };
}
