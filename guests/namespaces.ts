import { rm } from "node:fs/promises";
import { HomewardError } from "../common/errors.ts";
import { run } from "../common/spawn.ts";

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** A prefix under which a command sees its user's own files as root's. Empty for root. */
export function asRoot(): readonly string[] {
  return isRoot() ? [] : ["unshare", "--map-root-user", "--"];
}

/** Like asRoot, with all the other users a system has; they come from the user's range in /etc/subuid. */
function asRootWithUsers(): readonly string[] {
  return isRoot() ? [] : ["--map-root-user", "--map-auto"];
}

/**
 * A prefix under which a whole system can be installed: root, real or in a user namespace, with mount and process
 * namespaces that end with the command. When it is killed, every process it started and every mount it made is gone.
 * @throws ENVIRONMENT if this user may not create them
 */
export async function installNamespaces(signal?: AbortSignal): Promise<readonly string[]> {
  const flags = [...asRootWithUsers(), "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"];
  try {
    await run("unshare", [...flags, "true"], signal === undefined ? {} : { signal });
  } catch (cause) {
    if (signal?.aborted === true) throw cause;
    // Root in a container without CAP_SYS_ADMIN can still install, only not be cleaned up after as thoroughly.
    if (isRoot()) return [];
    throw new HomewardError("ENVIRONMENT", "this user may not install a system in a user namespace", {
      cause,
      hint: "Run as root once, or install the package uidmap and give the user a range in /etc/subuid and /etc/subgid.",
    });
  }
  return ["unshare", ...flags];
}

/** Removes a folder, also if its files belong to users that only exist inside the build's user namespace. */
export async function removeTree(dir: string): Promise<void> {
  try {
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  } catch (error) {
    if (isRoot()) throw error;
    await run("unshare", [...asRootWithUsers(), "--", "rm", "-rf", "--", dir]);
  }
}
