import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { HomewardError } from "../common/errors.ts";

export interface KernelModule {
  /** With underscores, as in lsmod. */
  readonly name: string;
  readonly data: Buffer;
}

function moduleName(fileName: string): string {
  return basename(fileName, ".ko").replaceAll("-", "_");
}

/** Names of the modules that a .ko file says it needs, from its .modinfo section ("depends=a,b"). */
export function moduleDependencies(data: Buffer): string[] {
  const found = /(?:^|\0)depends=([^\0]*)\0/.exec(data.toString("latin1"));
  return (found?.[1] ?? "").split(",").filter(Boolean).map(moduleName);
}

/**
 * The wanted modules and all they depend on, each after what it needs, so that a plain insmod in this order works.
 * @param dir a kernel's module tree, e.g. ROOT/lib/modules
 * @throws ENVIRONMENT if the kernel has no such module
 */
export async function modulesInLoadOrder(dir: string, wanted: readonly string[]): Promise<KernelModule[]> {
  const files = new Map<string, string>();
  for (const entry of await readdir(dir, { recursive: true })) {
    if (entry.endsWith(".ko")) files.set(moduleName(entry), join(dir, entry));
  }
  const ordered = new Map<string, KernelModule>();
  const visit = async (name: string): Promise<void> => {
    if (ordered.has(name)) return;
    const file = files.get(name);
    if (file === undefined) throw new HomewardError("ENVIRONMENT", `the Debian kernel has no module ${name}`);
    const data = await readFile(file);
    for (const dependency of moduleDependencies(data)) await visit(dependency);
    ordered.set(name, { name, data });
  };
  for (const name of wanted) await visit(moduleName(name));
  return [...ordered.values()];
}
