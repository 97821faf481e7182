import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** What one host takes up between two migrations. */
export interface Sample {
  /** Anonymous memory of the service's process, in MiB. */
  readonly memoryMiB: number;
  readonly descriptors: number;
  readonly threads: number;
  /** Processes that the service, or an earlier part of the soak, has left: everything that names its state folder. */
  readonly processes: number;
  readonly files: number;
  /** On disk, of the state folder, in MiB. */
  readonly diskMiB: number;
}

export type Quantity = keyof Sample;
export const QUANTITIES: readonly Quantity[] = ["memoryMiB", "descriptors", "threads", "processes", "files", "diskMiB"];

const MIB = 1024 * 1024;

async function others(stateDir: string, service: number): Promise<number> {
  let found = 0;
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid) || Number(pid) === service || Number(pid) === process.pid) continue;
    const args = await readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "");
    if (args.includes(`${stateDir}/`)) found++;
  }
  return found;
}

/** Looks at a service and its state folder from outside. */
export async function takeSample(pid: number, stateDir: string): Promise<Sample> {
  const status = await readFile(`/proc/${String(pid)}/status`, "utf8");
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  let [files, blocks] = [0, 0];
  for (const entry of await readdir(stateDir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const found = await stat(join(entry.parentPath, entry.name)).catch(() => null);
    if (found === null) continue;
    files++;
    // A file with two names counts half for each.
    blocks += found.blocks / found.nlink;
  }
  return {
    memoryMiB: (field("RssAnon") * 1024) / MIB,
    descriptors: (await readdir(`/proc/${String(pid)}/fd`)).length,
    threads: field("Threads"),
    processes: await others(stateDir, pid),
    files,
    diskMiB: (blocks * 512) / MIB,
  };
}

/** How much each later value lies above the one before, on the straight line that fits best (least squares). */
export function slope(values: readonly number[]): number {
  const mean = (values.length - 1) / 2;
  const average = values.reduce((sum, value) => sum + value, 0) / values.length;
  let [products, squares] = [0, 0];
  for (const [index, value] of values.entries()) {
    products += (index - mean) * (value - average);
    squares += (index - mean) ** 2;
  }
  return squares === 0 ? 0 : products / squares;
}

/**
 * By how much a quantity may be higher at the end of the part that is looked at than at its beginning, by the straight line
 * that fits best. Files and disk go up and down with the layers of the disk, which are merged when there are more than
 * eight, and with the record that is kept of each migration.
 */
export const MAY_GROW: Readonly<Record<Quantity, number>> = {
  memoryMiB: 8,
  descriptors: 1,
  threads: 1,
  processes: 0.5,
  files: 6,
  diskMiB: 12,
};
