import { access, mkdir, readdir, readFile, rename } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { delay } from "../common/abort.ts";
import { GUEST_FILES } from "./definition.ts";
import { removeTree } from "./namespaces.ts";

/** Root of what Homeward can make again: HOMEWARD_CACHE, else XDG_CACHE_HOME/homeward, else ~/.cache/homeward. */
export function defaultCacheDir(env: NodeJS.ProcessEnv = process.env): string {
  if (env["HOMEWARD_CACHE"]) return env["HOMEWARD_CACHE"];
  return join(env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "homeward");
}

/** Folder in the cache that a guest with this fingerprint lives in. */
export function guestDir(cacheDir: string, name: string, fingerprint: string): string {
  return join(cacheDir, "guests", `${name}-${fingerprint}`);
}

/** Whether a folder holds a complete guest. Folders only appear under their final name when they are complete. */
export async function isComplete(dir: string): Promise<boolean> {
  const checks = Object.values(GUEST_FILES).map((file) => access(join(dir, file)));
  return (await Promise.allSettled(checks)).every((check) => check.status === "fulfilled");
}

/** When a process started, in clock ticks since boot (proc(5), field 22 of stat); undefined if there is none. */
export async function processStart(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // The second field is a name in parentheses that may hold spaces and parentheses itself.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

/** A build under way. Its folder's name says since when (ms, padded) and who builds, so that a dead builder is known. */
const CLAIM = /\.building-(?<since>\d{15})-(?<order>\d+)-(?<pid>\d+)-(?<started>\d+)$/;

async function isAlive(claim: RegExpExecArray): Promise<boolean> {
  const { pid = "", started } = claim.groups ?? {};
  return (await processStart(Number(pid))) === started;
}

/** Names of the claims of living builders of this guest, oldest first. What dead ones left is removed. */
async function livingClaims(dir: string): Promise<string[]> {
  const living: string[] = [];
  for (const entry of (await readdir(dirname(dir))).sort()) {
    const claim = CLAIM.exec(entry);
    if (claim === null || !entry.startsWith(`${basename(dir)}.`)) continue;
    if (await isAlive(claim)) living.push(entry);
    else await removeTree(join(dirname(dir), entry));
  }
  return living;
}

let claims = 0;

/**
 * Makes a folder to build in beside the final one, and returns it once no older build of the same guest is under way in any
 * living process. Two builds at once would only be wasteful, never wrong: see publish. The caller removes the folder.
 * @returns undefined if the guest was completed by someone else meanwhile
 */
export async function claimBuildDir(dir: string, signal?: AbortSignal): Promise<string | undefined> {
  const since = String(Date.now()).padStart(15, "0");
  const started = (await processStart(process.pid)) ?? "0";
  const own = `${dir}.building-${since}-${++claims}-${process.pid}-${started}`;
  await mkdir(own, { recursive: true });
  try {
    while ((await livingClaims(dir))[0] !== basename(own)) {
      // Looked at again and again because the end of a process elsewhere is no event here.
      await delay(300, signal);
    }
    if (!(await isComplete(dir))) return own;
  } catch (error) {
    await removeTree(own);
    throw error;
  }
  await removeTree(own);
  return undefined;
}

/** Makes finished files visible under the final name, in one step; what another build put there stays. */
export async function publish(files: string, dir: string): Promise<void> {
  if (await isComplete(dir)) return;
  // Only a folder damaged by hand can be in the way: builds never leave an incomplete one under this name.
  await removeTree(dir);
  await rename(files, dir);
}
