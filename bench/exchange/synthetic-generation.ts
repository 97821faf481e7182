import { hash, randomFillSync } from "node:crypto";
import { mkdir, open, writeFile, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { GenerationManifest } from "../../protocol/generation.ts";
import type { MachineDefinition } from "../../protocol/machine.ts";
import {
  BLOCK_BYTES,
  BlockHashes,
  copyFileSparse,
  generationRoot,
  MerkleTree,
  openFileBlocks,
  type BlockDevice,
  type HashPool,
} from "../../syncer/index.ts";
import { convertImage } from "../../vm/disk-image.ts";
import { openDisk } from "../../vm/disk-blocks.ts";

const MIB = 1024 * 1024;

/** What is different in the second generation, in blocks. */
export interface Changes {
  /** Turned into zeroes. */
  readonly zeroed: number;
  /** Overwritten with another block of the first generation. */
  readonly moved: number;
  /** A few hundred bytes changed, as in a kernel's pages. */
  readonly patched: number;
  /** Content that is nowhere else, and compresses to about a half. */
  readonly fresh: number;
}

export interface SyntheticMachine {
  readonly memoryBytes: number;
  /** From the start of the memory; the rest is zero. */
  readonly touchedBytes: number;
  readonly diskBytes: number;
  readonly writtenDiskBytes: number;
  /** What is touched and written is random, so that it takes as many bytes compressed. */
  readonly random?: boolean;
}

/** Device states are a few megabytes. */
const DEVICE_BYTES = 6 * MIB;

function definition(machine: SyntheticMachine, qemuVersion: string): MachineDefinition {
  return {
    format: 1,
    machineType: `pc-i440fx-${qemuVersion}`,
    accelerator: "tcg",
    cpuModel: "Nehalem",
    qemuVersion,
    cpus: 1,
    memoryBytes: machine.memoryBytes,
    diskBytes: machine.diskBytes,
    mac: "52:54:00:00:00:01",
    kernel: null,
    initrd: null,
    append: null,
  };
}

/** Records of 64 bytes: an address, a dozen bytes that differ everywhere, zeroes. No two blocks are the same. */
function fill(chunk: Buffer, at: number): void {
  chunk.fill(0);
  for (let record = 0; record < chunk.length; record += 64) {
    chunk.writeBigUInt64LE(0xffff_8880_0000_0000n + BigInt(at + record), record);
    randomFillSync(chunk, record + 16, 12);
  }
}

async function writeTouched(path: string, bytes: number, touched: number, random = false): Promise<void> {
  const file = await open(path, "wx");
  try {
    const chunk = Buffer.alloc(MIB);
    for (let at = 0; at < touched; at += chunk.length) {
      // Records cost more time to make than to write: every sixteenth chunk is new, the others differ in their blocks' heads.
      if (random) randomFillSync(chunk);
      else if ((at / MIB) % 16 === 0) fill(chunk, at);
      for (let block = 0; block < chunk.length; block += BLOCK_BYTES) chunk.writeBigUInt64LE(BigInt(at + block), block);
      await file.write(chunk, 0, chunk.length, at);
    }
    await file.truncate(bytes);
  } finally {
    await file.close();
  }
}

async function changeBlock(file: FileHandle, block: number, kind: keyof Changes, other: number): Promise<void> {
  const data = Buffer.alloc(BLOCK_BYTES);
  if (kind === "patched") {
    await file.read(data, 0, BLOCK_BYTES, block * BLOCK_BYTES);
    for (let n = 0; n < 16; n++) randomFillSync(data, n * 256 + 32, 12);
  } else if (kind === "moved") {
    await file.read(data, 0, BLOCK_BYTES, other * BLOCK_BYTES);
  } else if (kind === "fresh") {
    for (let at = 0; at < BLOCK_BYTES; at += 64) randomFillSync(data, at, 32);
  }
  await file.write(data, 0, BLOCK_BYTES, block * BLOCK_BYTES);
}

/** Spreads the changes over the touched part: every so many blocks one of each kind, so that runs are short. */
async function change(path: string, touched: number, changes: Changes, share: number): Promise<void> {
  const kinds = Object.entries(changes).flatMap(([kind, count]) =>
    Array.from({ length: Math.min(20, Math.ceil((count * 20) / total(changes))) }, () => kind as keyof Changes),
  );
  const left = { ...changes };
  for (const kind of Object.keys(left) as (keyof Changes)[]) left[kind] = Math.floor(left[kind] * share);
  const blocks = touched / BLOCK_BYTES;
  const step = blocks / total(left);
  const file = await open(path, "r+");
  try {
    let turn = 0;
    for (let at = 0; total(left) > 0 && at < blocks; at += step) {
      let kind = kinds[turn++ % kinds.length] ?? "zeroed";
      if (left[kind] === 0) kind = (Object.keys(left) as (keyof Changes)[]).find((one) => left[one] > 0) ?? kind;
      left[kind]--;
      // What is moved comes from the far end, which a later step of this loop changes again: it is read before that.
      await changeBlock(file, Math.floor(at), kind, blocks - 1 - Math.floor(at / 2));
    }
  } finally {
    await file.close();
  }
}

export function total(changes: Changes): number {
  return changes.zeroed + changes.moved + changes.patched + changes.fresh;
}

/** Hashes a generation's devices and writes the folder that `homeward create --from` takes. */
async function describe(
  dir: string,
  machine: MachineDefinition,
  parent: string | null,
  pool: HashPool,
): Promise<GenerationManifest> {
  const ram = await openFileBlocks(join(dir, "ram"));
  const disk = await openDisk([join(dir, "disk.qcow2")], { writable: false, runDir: dir });
  try {
    const roots = [];
    for (const [name, device] of [["ram", ram], ["disk", disk]] as const) roots.push(await hashDevice(dir, name, device, pool));
    const device = randomFillSync(Buffer.alloc(DEVICE_BYTES)).fill(0, MIB);
    await writeFile(join(dir, "device"), device);
    const parts = { machine, ramRoot: roots[0] ?? "", diskRoot: roots[1] ?? "", deviceSha256: hash("sha256", device) };
    const manifest: GenerationManifest = {
      format: 1,
      root: generationRoot(parts),
      ...parts,
      deviceBytes: device.length,
      parent,
      createdAt: new Date().toISOString(),
    };
    await writeFile(join(dir, "generation.json"), JSON.stringify(manifest));
    return manifest;
  } finally {
    await ram.close();
    await disk.close();
  }
}

async function hashDevice(dir: string, name: string, device: BlockDevice, pool: HashPool): Promise<string> {
  const tree = await MerkleTree.build(device, pool);
  await writeFile(join(dir, `${name}.tree`), await tree.encode());
  await (await BlockHashes.build(join(dir, `${name}.hashes`), device, pool)).close();
  return tree.root;
}

/** A generation in `dir`, in the form of an export. */
export async function makeGeneration(
  dir: string,
  machine: SyntheticMachine,
  qemuVersion: string,
  pool: HashPool,
): Promise<GenerationManifest> {
  await mkdir(dir);
  await writeTouched(join(dir, "ram"), machine.memoryBytes, machine.touchedBytes, machine.random);
  await writeTouched(join(dir, "disk.raw"), machine.diskBytes, machine.writtenDiskBytes, machine.random);
  await convertImage(join(dir, "disk.raw"), join(dir, "disk.qcow2"));
  return describe(dir, definition(machine, qemuVersion), null, pool);
}

/** One that grew from `base`; seven eighths of the changes are in RAM, as in a session at a desktop. */
export async function growGeneration(
  dir: string,
  base: { readonly dir: string; readonly manifest: GenerationManifest },
  machine: SyntheticMachine,
  changes: Changes,
  pool: HashPool,
): Promise<GenerationManifest> {
  await mkdir(dir);
  for (const [name, touched, share] of [
    ["ram", machine.touchedBytes, 7 / 8],
    ["disk.raw", machine.writtenDiskBytes, 1 / 8],
  ] as const) {
    await copyFileSparse(join(base.dir, name), join(dir, name));
    await change(join(dir, name), touched, changes, share);
  }
  await convertImage(join(dir, "disk.raw"), join(dir, "disk.qcow2"));
  return describe(dir, base.manifest.machine, base.manifest.root, pool);
}
