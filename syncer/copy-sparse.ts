import { constants } from "node:fs";
import { chmod, copyFile, open, rm, stat } from "node:fs/promises";
import { throwIfAborted } from "../common/abort.ts";
import { HomewardError, toHomewardError } from "../common/errors.ts";
import { noProgress, type Progress } from "../common/progress.ts";
import { run } from "../common/spawn.ts";

export interface CopyOptions {
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

const PROGRESS_MS = 250;

/**
 * Copies a file into a new one (mode 0600), as a reflink where the file system can, else leaving out pages of zeroes so
 * that they take no room. Nothing is synced. A copy that fails is removed.
 * @throws CONFLICT when `to` exists; NOT_FOUND, NO_ROOM, DAMAGED, CANCELLED
 */
export async function copyFileSparse(from: string, to: string, options: CopyOptions = {}): Promise<void> {
  throwIfAborted(options.signal);
  if (await cloneFile(from, to)) return;
  const { size } = await stat(from);
  await create(to);
  try {
    await copyBytes(from, to, size, options);
    if ((await stat(to)).size !== size) throw new HomewardError("DAMAGED", `${from} changed its length while it was copied`);
  } catch (error) {
    await rm(to, { force: true });
    throw error;
  }
}

async function create(path: string): Promise<void> {
  try {
    await (await open(path, "wx", 0o600)).close();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "EEXIST") throw toHomewardError(error);
    throw new HomewardError("CONFLICT", `${path} exists already`, { cause: error });
  }
}

/** By cp, which asks the file system where holes are: nothing here can, and reading them takes a second for a few GiB. */
async function copyBytes(from: string, to: string, size: number, options: CopyOptions): Promise<void> {
  const { progress = noProgress, signal } = options;
  const timer = setInterval(() => {
    void stat(to).then(
      ({ size: done }) => {
        progress.update({ phase: "copy", done, total: size, unit: "bytes" });
      },
      () => undefined,
    );
  }, PROGRESS_MS);
  try {
    await run("cp", ["--sparse=always", "--", from, to], {
      env: { ...process.env, LC_ALL: "C" },
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    throw isFull(error) ? new HomewardError("NO_ROOM", `no room for a copy of ${from}`, { cause: error }) : error;
  } finally {
    clearInterval(timer);
  }
  progress.update({ phase: "copy", done: size, total: size, unit: "bytes" });
}

/** cp says why it failed in words only. */
function isFull(error: unknown): boolean {
  return error instanceof HomewardError && /No space left on device|Disk quota exceeded/.test(error.message);
}

/** False when the file system cannot share the blocks, or for any other reason: the plain copy then tells which. */
async function cloneFile(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
  } catch {
    return false;
  }
  // The clone has the mode of a generation's file, which is read-only.
  await chmod(to, 0o600);
  return true;
}
