import { chmod, copyFile, mkdir, readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Regular files below a folder, sorted, with "/" between names. A folder that does not exist has none. */
export async function listFiles(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();
}

/** Whether a file is executable for its owner: the one permission that version control keeps. */
export async function isExecutable(path: string): Promise<boolean> {
  return ((await stat(path)).mode & 0o100) !== 0;
}

/** Makes a folder below `root`, and those above it, with mode 755 whatever the umask is. */
export async function makeFolder(root: string, path: string): Promise<void> {
  await mkdir(root, { recursive: true });
  let folder = root;
  await chmod(folder, 0o755);
  for (const name of path.split("/").filter((part) => part !== "" && part !== ".")) {
    folder = join(folder, name);
    await mkdir(folder, { recursive: true });
    await chmod(folder, 0o755);
  }
}

/** Copies all files of `from` into `to`, with modes 755 and 644 only, whatever the umask of the checkout was. */
export async function copyTree(from: string, to: string): Promise<void> {
  for (const file of await listFiles(from)) {
    const target = join(to, file);
    await makeFolder(to, dirname(file));
    await copyFile(join(from, file), target);
    await chmod(target, (await isExecutable(join(from, file))) ? 0o755 : 0o644);
  }
}
