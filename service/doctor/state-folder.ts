import { access, constants, lstat, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { formatBytes } from "../../common/quantities.ts";
import { machineRuns } from "../../vm/machine-process.ts";
import { MAX_SOCKET_PATH_BYTES } from "../control/control-server.ts";
import { defaultRunParent, MAX_RUN_ROOT_BYTES, TMPFS } from "../run-dirs.ts";
import { StatePaths } from "../store/paths.ts";
import { fine, problem, quoted, warning, type Finding } from "./finding.ts";

/** The folders that this host's service works in. */

/** Files and folders that hold what was typed, what the machine has in memory, or a way to control it. */
const PRIVATE_MASK = 0o077;
/** Looked at for leftovers; there are never so many. */
const MAX_ENTRIES = 10_000;
const STAT_BLOCK_BYTES = 512;

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(() => true, () => false);
}

async function names(dir: string): Promise<string[]> {
  return (await readdir(dir).catch((): string[] => [])).slice(0, MAX_ENTRIES);
}

/** What is wrong with a file or folder that must be this user's alone; null if nothing is, or it is not there. */
async function exposed(path: string): Promise<Finding | null> {
  const found = await lstat(path).catch(() => null);
  if (found === null) return null;
  if (found.uid !== process.getuid?.())
    return problem(`${path} belongs to another user`, {
      hint: "Use another --state folder, or take this one over.",
      command: `sudo chown -R $USER ${quoted(path)}`,
    });
  if ((found.mode & PRIVATE_MASK) === 0 || found.isSymbolicLink()) return null;
  return problem(`${path} is open to other users (${(found.mode & 0o777).toString(8)})`, {
    hint: "They could read what you type. Close it.",
    command: `chmod ${found.isDirectory() ? 700 : 600} ${quoted(path)}`,
  });
}

/** Whether the folders can be used, by this user and by nobody else. */
export async function checkFolders(stateDir: string): Promise<Finding> {
  const paths = new StatePaths(stateDir);
  const runRoot = join(await defaultRunParent(), paths.runName);
  const state = await lstat(stateDir).catch(() => null);
  if (state !== null && !state.isDirectory())
    return problem(`${stateDir} is not a folder`, { hint: "Give another --state folder." });
  const files = [paths.database, paths.log, paths.workspaces, paths.generations, paths.incoming];
  for (const path of [stateDir, ...files, runRoot, join(TMPFS, paths.runName)]) {
    const finding = await exposed(path);
    if (finding !== null) return finding;
  }
  if (state === null) return fine(`${stateDir} is not there yet; "homeward serve" makes it`);
  const usable = await access(stateDir, constants.R_OK | constants.W_OK | constants.X_OK).then(() => true, () => false);
  return usable
    ? fine(`${stateDir} is yours alone`)
    : problem(`${stateDir} cannot be written to`, { hint: "Allow it to yourself.", command: `chmod 700 ${quoted(stateDir)}` });
}

/** Sockets have short paths, unix(7). */
export async function checkSocketPaths(stateDir: string): Promise<Finding> {
  const paths = new StatePaths(stateDir);
  const control = Buffer.byteLength(paths.control);
  if (control > MAX_SOCKET_PATH_BYTES)
    return problem(`${paths.control} has ${control} bytes, and a socket's path at most ${MAX_SOCKET_PATH_BYTES}`, {
      hint: "Give a --state folder with a shorter path; one that is in use already can be moved there first.",
      command: "homeward serve --state ~/hw",
    });
  const run = join(await defaultRunParent(), paths.runName);
  return Buffer.byteLength(run) > MAX_RUN_ROOT_BYTES
    ? problem(`${run} is too long for the sockets of machines`, { hint: "Set up a login session, so that /run/user exists." })
    : fine(`short enough (${control} of ${MAX_SOCKET_PATH_BYTES} bytes)`);
}

/** Bytes on disk of what is in a folder. */
async function sizeOf(path: string): Promise<number> {
  const found = await lstat(path).catch(() => null);
  if (found === null) return 0;
  if (!found.isDirectory()) return found.blocks * STAT_BLOCK_BYTES;
  let bytes = 0;
  for (const name of await names(path)) bytes += await sizeOf(join(path, name));
  return bytes;
}

/** Folders of machines and twins whose QEMU is alive, by the name of their run folder. */
async function livingMachines(runRoot: string): Promise<Set<string>> {
  const living = new Set<string>();
  for (const name of await names(runRoot)) if (await machineRuns(join(runRoot, name))) living.add(name);
  return living;
}

/** What operations that were cut off left behind; only to be asked while no service works in these folders. */
export async function checkLeftovers(stateDir: string): Promise<Finding> {
  const paths = new StatePaths(stateDir);
  const runRoot = join(await defaultRunParent(), paths.runName);
  const tmpfs = join(TMPFS, paths.runName);
  const living = await livingMachines(runRoot);
  const left = [
    ...(await names(paths.incoming)).map((name) => join(paths.incoming, name)),
    ...(await names(paths.generations)).filter((name) => name.startsWith("new-")).map((name) => join(paths.generations, name)),
    ...(await names(tmpfs)).filter((name) => !living.has(name)).map((name) => join(tmpfs, name)),
  ];
  const serve = `homeward serve --detach --state ${quoted(stateDir)}`;
  if (left.length > 0) {
    let bytes = 0;
    for (const path of left) bytes += await sizeOf(path);
    return warning(`${left.length} left by operations that were cut off, ${formatBytes(bytes)}: ${left[0] ?? ""}`.slice(0, 1000), {
      hint: "The next service takes up or removes what an earlier one left.",
      command: serve,
    });
  }
  if (living.size > 0)
    return warning(`${living.size} machine(s) run without a service`, {
      hint: "What you do in them is not recorded until a service takes them over.",
      command: serve,
    });
  const stale = await exists(paths.control);
  return stale
    ? warning(`${paths.control} was left by a service that did not end in good order`, {
        hint: "The next one replaces it.",
        command: serve,
      })
    : fine(`nothing in ${dirname(paths.control)}`);
}
