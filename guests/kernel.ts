import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { HomewardError } from "../common/errors.ts";
import { run } from "../common/spawn.ts";
import { findAptSources, PrivateApt, type AptSources } from "./apt.ts";
import { modulesInLoadOrder, type KernelModule } from "./modules.ts";

/** The standard kernel: the cloud kernel has no display and no input drivers. */
const KERNEL_METAPACKAGE = "linux-image-amd64";

export interface Base {
  readonly kernel: Buffer;
  readonly modules: readonly KernelModule[];
  /** A statically linked busybox. */
  readonly busybox: Buffer;
  /** Path of the same busybox, while the build's folder lasts. */
  readonly busyboxPath: string;
  readonly sources: AptSources;
}

/** Fetches Debian's kernel and busybox and takes out what both guests boot from. Needs no root; works in DIR. */
export async function fetchBase(dir: string, wanted: readonly string[], signal?: AbortSignal): Promise<Base> {
  const options = signal === undefined ? {} : { signal };
  const sources = await findAptSources(dir, signal);
  const apt = new PrivateApt(join(dir, "apt"), sources);
  await apt.update(signal);
  const kernelPackage = (await apt.dependencies(KERNEL_METAPACKAGE, signal)).find((name) =>
    name.startsWith("linux-image-"),
  );
  if (kernelPackage === undefined)
    throw new HomewardError("ENVIRONMENT", `${KERNEL_METAPACKAGE} names no kernel in this computer's apt sources`);
  const packages = await apt.download([kernelPackage, "busybox-static"], signal);
  for (const file of await readdir(packages)) {
    const target = join(dir, file.startsWith("busybox") ? "busybox" : "linux");
    await run("dpkg-deb", ["-x", join(packages, file), target], options);
  }
  const boot = join(dir, "linux/boot");
  const image = (await readdir(boot)).find((name) => name.startsWith("vmlinuz-"));
  if (image === undefined) throw new HomewardError("ENVIRONMENT", `${kernelPackage} holds no kernel image`);
  const kernel = await readFile(join(boot, image));
  const modules = await modulesInLoadOrder(join(dir, "linux/lib/modules"), wanted);
  await rm(join(dir, "linux"), { recursive: true });
  await rm(join(dir, "apt"), { recursive: true });
  const busyboxPath = join(dir, "busybox/bin/busybox");
  return { kernel, modules, busybox: await readFile(busyboxPath), busyboxPath, sources };
}
