import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { GenerationManifest } from "../../protocol/generation.ts";
import type { MachineDefinition } from "../../protocol/machine.ts";
import type { NewGeneration } from "../../service/store/generations-store.ts";
import type { NewWorkspace } from "../../service/store/workspaces-table.ts";

export const machine: MachineDefinition = {
  format: 1,
  machineType: "pc-i440fx-7.2",
  accelerator: "tcg",
  cpuModel: "Nehalem",
  qemuVersion: "7.2",
  cpus: 1,
  memoryBytes: 64 * 1024 * 1024,
  diskBytes: 1024 * 1024,
  mac: "52:54:00:12:34:56",
  kernel: null,
  initrd: null,
  append: null,
};

/** A hash-like name: the letter, 64 times. */
export function rootOf(letter: string): string {
  return letter.repeat(64);
}

export function manifest(root: string, parent: string | null = null): GenerationManifest {
  return {
    format: 1,
    root,
    machine,
    ramRoot: rootOf("1"),
    diskRoot: rootOf("2"),
    deviceSha256: rootOf("3"),
    deviceBytes: 6,
    parent,
    createdAt: "2026-01-01T00:00:00.000Z",
  };
}

export function workspace(name: string, layers: readonly string[], change: Partial<NewWorkspace> = {}): NewWorkspace {
  return { name, owner: null, base: null, machine, state: "off", resumeFrom: "boot", layers, ...change };
}

/** Small files in the place of a generation's; each holds its own name and the root's first letter. */
export async function generationFiles(
  dir: string,
  root: string,
  below: readonly string[] = [],
  parent: string | null = null,
): Promise<NewGeneration> {
  await mkdir(dir, { recursive: true });
  const file = async (name: string): Promise<string> => {
    const path = join(dir, `${root.slice(0, 4)}-${name}`);
    await writeFile(path, `${name} of ${root.charAt(0)}`);
    return path;
  };
  return {
    manifest: manifest(root, parent),
    ramPath: await file("ram"),
    devicePath: await file("device"),
    ramTreePath: await file("ram.tree"),
    diskTreePath: await file("disk.tree"),
    ramHashesPath: await file("ram.hashes"),
    diskHashesPath: await file("disk.hashes"),
    topLayer: await file("disk"),
    below,
  };
}
