import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm, rmdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import { HomewardError, toHomewardError } from "../common/errors.ts";
import { bytesOnDisk } from "./store/disk-use.ts";
import { runPaths, type RunPaths, type StatePaths } from "./store/paths.ts";
import { requirePrivateDir } from "./store/store.ts";

/** Share of a tmpfs, and of memory, that running RAM must leave free. */
const FREE_SHARE = 0.25;
/** A socket's path may have about 100 bytes (unix(7)); below this folder come an id and a socket's name. */
export const MAX_RUN_ROOT_BYTES = 64;

/** Where running RAM goes if there is room. */
export const TMPFS = "/dev/shm";

export type RamPlace = "tmpfs" | "disk";

export interface PlacedRam {
  readonly path: string;
  readonly place: RamPlace;
}

/** Folders outside the state folder: sockets of running machines and their RAM. A reboot empties both. */
export class RunDirs {
  readonly #runRoot: string;
  readonly #tmpfsRoot: string | null;

  private constructor(runRoot: string, tmpfsRoot: string | null) {
    this.#runRoot = runRoot;
    this.#tmpfsRoot = tmpfsRoot;
  }

  /** @param options where to put them instead, in tests */
  static async open(
    paths: StatePaths,
    options: { readonly runParent?: string; readonly tmpfs?: string | null } = {},
  ): Promise<RunDirs> {
    const runRoot = join(options.runParent ?? (await defaultRunParent()), paths.runName);
    if (Buffer.byteLength(runRoot) > MAX_RUN_ROOT_BYTES)
      throw new HomewardError("ENVIRONMENT", `${runRoot} is too long for a socket's path`);
    await requirePrivateDir(runRoot);
    const tmpfs = options.tmpfs === undefined ? TMPFS : options.tmpfs;
    if (tmpfs === null) return new RunDirs(runRoot, null);
    const tmpfsRoot = join(tmpfs, paths.runName);
    try {
      await requirePrivateDir(tmpfsRoot);
      return new RunDirs(runRoot, tmpfsRoot);
    } catch (error) {
      // A host without /dev/shm runs machines from disk; a foreign folder in our place is an attack or a mistake.
      if (toHomewardError(error).code === "NOT_FOUND") return new RunDirs(runRoot, null);
      throw error;
    }
  }

  /** Names only; see `create`. */
  paths(id: string): RunPaths {
    return runPaths(this.#runRoot, id);
  }

  /** A private folder for the sockets of the machine or twin `id`. */
  async create(id: string): Promise<RunPaths> {
    const paths = this.paths(id);
    await mkdir(paths.dir, { recursive: true, mode: 0o700 });
    return paths;
  }

  /** Ids of all machines, twins and others that have something here. */
  async list(): Promise<string[]> {
    const roots = [this.#runRoot, ...(this.#tmpfsRoot === null ? [] : [this.#tmpfsRoot])];
    return [...new Set((await Promise.all(roots.map((root) => readdir(root)))).flat())];
  }

  /** What an id takes, most of it memory. */
  async bytes(id: string): Promise<number> {
    const ram = this.#tmpfsRoot === null ? 0 : await bytesOnDisk(join(this.#tmpfsRoot, id));
    return ram + (await bytesOnDisk(this.paths(id).dir));
  }

  /** A private folder for sockets that are needed for a moment only; the caller removes it. */
  scratch(): Promise<RunPaths> {
    return this.create(`x${randomBytes(5).toString("hex")}`);
  }

  /** Removes the sockets and the RAM on tmpfs of a machine that does not run any more. */
  async remove(id: string): Promise<void> {
    await rm(this.paths(id).dir, { recursive: true, force: true });
    if (this.#tmpfsRoot !== null) await rm(join(this.#tmpfsRoot, id), { recursive: true, force: true });
  }

  /**
   * Where `bytes` of running RAM go: tmpfs if a quarter of it and of memory stays free, otherwise `fallback`. The file is
   * not created. "disk" works but the system writes the RAM back all the time.
   */
  async placeRam(id: string, bytes: number, fallback: string): Promise<PlacedRam> {
    if (this.#tmpfsRoot === null) return { path: fallback, place: "disk" };
    const { bavail, blocks, bsize } = await statfs(this.#tmpfsRoot);
    const total = blocks * bsize;
    const fitsTmpfs = bavail * bsize - bytes >= total * FREE_SHARE;
    const fitsMemory = bytes <= process.availableMemory() * (1 - FREE_SHARE);
    if (!fitsTmpfs || !fitsMemory) return { path: fallback, place: "disk" };
    const dir = join(this.#tmpfsRoot, id);
    await mkdir(dir, { recursive: true, mode: 0o700 });
    return { path: join(dir, "ram"), place: "tmpfs" };
  }

  /** Removes the folders if no machine runs that needs them. */
  async close(): Promise<void> {
    for (const root of [this.#runRoot, this.#tmpfsRoot])
      // Fails while there is something in it, which then is needed.
      if (root !== null) await rmdir(root).catch(() => undefined);
  }

  placeOf(ramPath: string): RamPlace {
    return this.#tmpfsRoot !== null && ramPath.startsWith(`${this.#tmpfsRoot}/`) ? "tmpfs" : "disk";
  }
}

/** Where the sockets of running machines go. */
export async function defaultRunParent(): Promise<string> {
  const uid = process.getuid?.();
  const user = `/run/user/${uid ?? ""}`;
  try {
    const { bavail } = await statfs(user);
    if (uid !== undefined && bavail > 0) return user;
  } catch {
    // No login session: /tmp, where requirePrivateDir refuses a folder that somebody else made.
  }
  return "/tmp";
}
