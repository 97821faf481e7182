import { chmod, lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { HomewardError } from "../../common/errors.ts";
import { defaultRunParent, TMPFS } from "../run-dirs.ts";
import { takeLock } from "../store/lock.ts";
import { StatePaths } from "../store/paths.ts";

/** What the doctor mends by itself: only what nobody can miss. */

const OPEN_TO_OTHERS = 0o077;
/** Looked at; there are never so many. */
const MAX_ENTRIES = 100_000;

async function names(dir: string): Promise<string[]> {
  return readdir(dir).catch(() => []);
}

/** Closes a file or folder of this user's, then what is in it: once a folder is closed nobody can put links in the way. */
async function close(path: string, done: string[], budget: { left: number }): Promise<void> {
  const found = await lstat(path).catch(() => null);
  if (found === null || found.isSymbolicLink() || found.uid !== process.getuid?.() || budget.left-- <= 0) return;
  const mode = found.mode & 0o777;
  if ((mode & OPEN_TO_OTHERS) !== 0) {
    const closed = mode & ~OPEN_TO_OTHERS;
    await chmod(path, closed);
    done.push(`closed ${path} to other users (${mode.toString(8)} is now ${closed.toString(8)})`);
  }
  if (found.isDirectory()) for (const name of await names(path)) await close(join(path, name), done, budget);
}

async function remove(path: string, done: string[]): Promise<void> {
  await rm(path, { recursive: true });
  done.push(`removed ${path}`);
}

/**
 * What a service that was killed left: its socket, and pieces of generations and imports that were never finished. What
 * belongs to a move stays, as the next service may go on with it.
 */
async function removeLeftovers(paths: StatePaths, done: string[]): Promise<void> {
  const socket = await lstat(paths.control).catch(() => null);
  if (socket?.isSocket() === true) await remove(paths.control, done);
  for (const name of await names(paths.generations))
    if (/^new-[0-9a-f]{64}$/.test(name)) await remove(join(paths.generations, name), done);
  for (const name of await names(paths.incoming))
    if (/^import-[0-9a-f-]{36}$/.test(name)) await remove(join(paths.incoming, name), done);
}

/**
 * Closes the state folder and the run folders to other users. If no service works there, which is made sure of by keeping one
 * out meanwhile, removes stale sockets and unfinished files.
 * @returns what was done, a sentence each
 */
export async function mend(stateDir: string): Promise<string[]> {
  const paths = new StatePaths(stateDir);
  const done: string[] = [];
  const budget = { left: MAX_ENTRIES };
  for (const path of [stateDir, join(await defaultRunParent(), paths.runName), join(TMPFS, paths.runName)])
    await close(path, done, budget);
  const state = await lstat(stateDir).catch(() => null);
  if (state?.isDirectory() !== true) return done;
  let unlock: () => Promise<void>;
  try {
    unlock = await takeLock(paths.lock);
  } catch (error) {
    if (error instanceof HomewardError && error.code === "CONFLICT") return done;
    throw error;
  }
  try {
    await removeLeftovers(paths, done);
  } finally {
    await unlock();
  }
  return done;
}
