import { constants } from "node:fs";
import { link, lstat, mkdir, open, rename, rm, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { toHomewardError } from "../../common/errors.ts";

/** What is in the file is on disk when this returns. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, constants.O_RDONLY);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The names in the folder are on disk when this returns. */
export async function syncDir(path: string): Promise<void> {
  const dir = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await dir.sync();
  } finally {
    await dir.close();
  }
}

/** Writes a file (0600) so that after a crash at any moment either the old or the new content is there, whole. */
export async function writeFileDurably(path: string, data: string | Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(data);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await syncDir(dirname(path));
}

/** A second name for the same file; does nothing if `to` is that already. Not durable before `syncDir`. */
export async function linkOver(from: string, to: string): Promise<void> {
  const temporary = `${to}.link`;
  await rm(temporary, { force: true });
  await link(from, temporary);
  // rename(2) does nothing and leaves both names when they are the same file.
  await rename(temporary, to);
  await rm(temporary, { force: true });
}

/** An empty folder, 0700; anything that was there is removed. */
export async function freshDir(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
  await mkdir(path, { recursive: true, mode: 0o700 });
}

export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (toHomewardError(error).code === "NOT_FOUND") return false;
    throw error;
  }
}

/** Removes a file that may be gone already. */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (toHomewardError(error).code !== "NOT_FOUND") throw error;
  }
}
