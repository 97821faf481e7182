import { copyFile, mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { BLOCK_BYTES, type BlockDevice, type BlockRange } from "../../syncer/index.ts";

/** Files of one state in a dump: its devices block by block, raw, with holes; and QEMU's device state. */
export const DUMP_FILES = { ram: "ram", disk: "disk", device: "device" } as const;

/** States of a dump; the others are twins. */
export const BASE = "base";
export const SOURCE = "source";

/** Beside the states: what the machine is and boots from. */
export const KEPT_MACHINE = { definition: "machine.json", kernel: "kernel", initrd: "initrd" } as const;

/** Layer `depth` of the source's disk, 0 being what the session wrote. */
export function layerName(depth: number): string {
  return `layer-${depth}.qcow2`;
}

/** Holds a folder for each session that was recorded. */
export const DUMPS = join(import.meta.dirname, "..", "..", "out", "residual");

const READ_BLOCKS = 256;

async function* everything({ blocks }: BlockDevice): AsyncGenerator<BlockRange> {
  yield await Promise.resolve({ block: 0, count: blocks });
}

/** Writes a device as a raw file with holes where it is zero. */
async function dumpDevice(device: BlockDevice, path: string): Promise<void> {
  const zeroes = Buffer.alloc(READ_BLOCKS * BLOCK_BYTES);
  const file = await open(path, "wx");
  try {
    await file.truncate(device.blocks * BLOCK_BYTES);
    for await (const { block, count } of device.allocatedAnywhere?.() ?? everything(device))
      for (let at = block; at < block + count; at += READ_BLOCKS) {
        const data = await device.read(at, Math.min(READ_BLOCKS, block + count - at));
        if (!data.equals(zeroes.subarray(0, data.length))) await file.write(data, 0, data.length, at * BLOCK_BYTES);
      }
  } finally {
    await file.close();
  }
}

/** Writes one state into a new folder. @param devicePath null where it is not known */
export async function dumpState(dir: string, ram: BlockDevice, disk: BlockDevice, devicePath: string | null): Promise<void> {
  await mkdir(dir, { recursive: true });
  await dumpDevice(ram, join(dir, DUMP_FILES.ram));
  await dumpDevice(disk, join(dir, DUMP_FILES.disk));
  if (devicePath !== null) await copyFile(devicePath, join(dir, DUMP_FILES.device));
}
