import { chmod, copyFile, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { run } from "../common/spawn.ts";
import { RECIPE_DIR } from "./fingerprint.ts";
import { copyTree, makeFolder } from "./tree.ts";

const FOLDERS = ["bin", "dev", "etc", "mnt", "proc", "root", "run", "sbin", "sys", "tmp", "usr/bin", "usr/sbin"];

/** Makes the tiny guest's root file system in ROOT: busybox, a link for each of its commands, and our own files. */
export async function makeTinyRoot(root: string, busybox: string, signal?: AbortSignal): Promise<void> {
  for (const folder of FOLDERS) await makeFolder(root, folder);
  await copyFile(busybox, join(root, "bin/busybox"));
  await chmod(join(root, "bin/busybox"), 0o755);
  // Debian's busybox is for the same architecture as QEMU's guest, so it can list its own commands.
  const list = await run(busybox, ["--list-full"], signal === undefined ? {} : { signal });
  for (const command of list.stdout.toString().split("\n").filter(Boolean)) {
    if (basename(command) === "busybox") continue;
    await makeFolder(root, dirname(command));
    await symlink("/bin/busybox", join(root, command));
  }
  await copyTree(join(RECIPE_DIR, "shared/root"), root);
  await copyTree(join(RECIPE_DIR, "tiny/root"), root);
}
