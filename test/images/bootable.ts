import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../common/spawn.ts";
import { buildGuest } from "../../guests/build.ts";
import { ESP_GUID, gpt, LINUX_GUID, mbr, SECTOR } from "./partitions.ts";

/** Disk images that start by themselves, made another way than ours: GRUB, on a partitioned disk. */

const MIB = 1_048_576;
const FAT_AT = MIB;
const GRUB = "/usr/lib/grub";

/** A FAT file system in a file. @param files name in it and file to copy, in the order in which folders have to be made */
async function makeFat(path: string, bytes: number, files: readonly (readonly [name: string, from: string])[]): Promise<void> {
  await run("mformat", ["-C", "-i", path, "-T", String(bytes / SECTOR), "-h", "16", "-s", "63", "::"]);
  const folders = new Set(files.flatMap(([name]) => name.split("/").slice(0, -1).map((_, i, all) => all.slice(0, i + 1).join("/"))));
  for (const folder of folders) await run("mmd", ["-i", path, `::${folder}`]);
  for (const [name, from] of files) await run("mcopy", ["-i", path, from, `::${name}`]);
}

/** One disk out of pieces, sparse; nothing else of it is written. */
async function writeDisk(path: string, bytes: number, pieces: readonly (readonly [at: number, data: Buffer])[]): Promise<void> {
  const file = await open(path, "wx");
  try {
    await file.truncate(bytes);
    for (const [at, data] of pieces) await file.write(data, 0, data.length, at);
  } finally {
    await file.close();
  }
}

/** @param prefix folder of grub.cfg, as GRUB names it */
async function grubImage(format: "i386-pc" | "x86_64-efi", dir: string, prefix: string, modules: string): Promise<string> {
  const image = join(dir, format);
  await run("grub-mkimage", ["-O", format, "-p", prefix, "-o", image, ...modules.split(" ")]);
  return image;
}

/** A raw disk that a BIOS starts: GRUB finds its own partition on it and turns the screen blue. */
export async function biosDisk(path: string): Promise<void> {
  const dir = await mkdtemp(`${path}-`);
  try {
    const core = await grubImage("i386-pc", dir, "(hd0,msdos1)/", "biosdisk part_msdos fat normal echo sleep");
    const boot = await readFile(join(GRUB, "i386-pc/boot.img"));
    const fat = join(dir, "fat");
    const config = join(dir, "grub.cfg");
    await writeFile(config, "set color_normal=white/blue\nclear\necho started\nsleep 100000\n");
    await makeFat(fat, MIB, [["grub.cfg", config]]);
    const table = mbr([{ first: FAT_AT / SECTOR, count: MIB / SECTOR, type: 0x0c }], boot);
    // boot.img reads the rest of GRUB from the sectors after its own.
    const pieces: [number, Buffer][] = [
      [0, table],
      [SECTOR, await readFile(core)],
      [FAT_AT, await readFile(fat)],
    ];
    // Not a whole number of 4 KiB blocks.
    await writeDisk(path, 2 * MIB + SECTOR, pieces);
  } finally {
    await rm(dir, { recursive: true });
  }
}

/** A raw disk that UEFI firmware starts: GRUB on an EFI system partition, and the tiny guest's system on a second one. */
export async function uefiDisk(path: string): Promise<void> {
  const guest = await buildGuest("tiny");
  const { append, disk } = guest.definition;
  const dir = await mkdtemp(`${path}-`);
  try {
    const words = append.replace("root=/dev/vda", "root=/dev/vda2");
    const config = join(dir, "grub.cfg");
    await writeFile(config, `set root=(hd0,gpt1)\nlinux /kernel ${words}\ninitrd /initrd\nboot\n`);
    const grub = await grubImage("x86_64-efi", dir, "(hd0,gpt1)/", "part_gpt fat normal linux efi_gop");
    const fat = join(dir, "esp");
    const fatBytes = 32 * MIB;
    await makeFat(fat, fatBytes, [
      ["EFI/BOOT/BOOTX64.EFI", grub],
      ["grub.cfg", config],
      ["kernel", join(guest.dir, "kernel")],
      ["initrd", join(guest.dir, "initrd")],
    ]);
    const root = join(dir, "root");
    await run("qemu-img", ["convert", "-O", "raw", join(guest.dir, disk.file), root]);
    const rootAt = FAT_AT + fatBytes;
    const sectors = (rootAt + disk.bytes + MIB) / SECTOR;
    const partitions = [
      { first: FAT_AT / SECTOR, count: fatBytes / SECTOR, type: ESP_GUID },
      { first: rootAt / SECTOR, count: disk.bytes / SECTOR, type: LINUX_GUID },
    ];
    const pieces: [number, Buffer][] = [
      [0, gpt(partitions, sectors)],
      [FAT_AT, await readFile(fat)],
      [rootAt, await readFile(root)],
    ];
    await writeDisk(path, sectors * SECTOR, pieces);
  } finally {
    await rm(dir, { recursive: true });
  }
}
