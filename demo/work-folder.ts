import { mkdir, mkdtemp, readdir, readFile, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HomewardError } from "../common/errors.ts";
import { formatBytes } from "../common/quantities.ts";
import { processStart } from "../guests/cache.ts";

/** A socket's path has at most 107 bytes (unix(7)), and those of the hosts are up to 60 long below this folder. */
const MAX_PARENT_BYTES = 40;
const PREFIX = "hw-demo-";
/** Names the process that uses the folder: what a killed one left can be told from what is in use or was kept. */
const HOLDER = "holder";

/** Everything a run of the demo writes except pictures and the cache: removed at the end. */
export class WorkFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * @param neededBytes what the run will write at most
   * @throws NO_ROOM
   */
  static async create(neededBytes: number): Promise<WorkFolder> {
    const parent = Buffer.byteLength(tmpdir()) <= MAX_PARENT_BYTES ? tmpdir() : "/tmp";
    await removeAbandoned(parent);
    const { bavail, bsize } = await statfs(parent);
    if (bavail * bsize < neededBytes)
      throw new HomewardError(
        "NO_ROOM",
        `${parent} has ${formatBytes(bavail * bsize)} left and the demo needs up to ${formatBytes(neededBytes)}`,
        { hint: "Free some room, or set TMPDIR to a folder on a larger disk (a short path)." },
      );
    const path = await mkdtemp(join(parent, PREFIX));
    await writeFile(join(path, HOLDER), `${process.pid} ${(await processStart(process.pid)) ?? ""}`);
    return new WorkFolder(path);
  }

  /** Folder of one host, or of the line between them. */
  async make(name: string): Promise<string> {
    const path = join(this.path, name);
    await mkdir(path, { mode: 0o700 });
    return path;
  }

  /** Leaves the folder to the user for good. */
  async keep(): Promise<void> {
    await rm(join(this.path, HOLDER), { force: true });
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** Removes the folders of runs that were killed before they could. */
async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(parent, name);
    const [pid, started] = (await readFile(join(path, HOLDER), "utf8").catch(() => "")).split(" ");
    if (!pid || !started || (await processStart(Number(pid))) === started) continue;
    await rm(path, { recursive: true, force: true });
  }
}
