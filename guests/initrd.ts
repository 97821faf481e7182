import { readFile } from "node:fs/promises";
import { constants, zstdCompressSync } from "node:zlib";
import { cpio, type CpioEntry } from "./cpio.ts";
import type { KernelModule } from "./modules.ts";

const INIT = new URL("shared/init", import.meta.url);

/**
 * The initial RAM disk both guests boot with: busybox, the modules in load order, and shared/init. Equal inputs give equal
 * bytes. Compressed with zstd, which the kernel unpacks several times faster than gzip.
 * @param busybox a statically linked busybox
 */
export async function makeInitrd(busybox: Uint8Array, modules: readonly KernelModule[]): Promise<Buffer> {
  const order = modules.map((module) => `${module.name}.ko\n`).join("");
  const directories = ["bin", "dev", "modules", "proc", "root", "sys"];
  const entries: CpioEntry[] = [
    ...directories.map((path) => ({ path, kind: "directory" as const, mode: 0o755 })),
    { path: "bin/busybox", kind: "file", mode: 0o755, data: busybox },
    { path: "init", kind: "file", mode: 0o755, data: await readFile(INIT) },
    { path: "modules/order", kind: "file", mode: 0o644, data: Buffer.from(order) },
    ...modules.map((module) => ({
      path: `modules/${module.name}.ko`,
      kind: "file" as const,
      mode: 0o644,
      data: module.data,
    })),
  ];
  return zstdCompressSync(cpio(entries), { params: { [constants.ZSTD_c_compressionLevel]: 15 } });
}
