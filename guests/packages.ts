import { access } from "node:fs/promises";
import { HomewardError } from "../common/errors.ts";
import type { GuestName } from "./definition.ts";

/** A Debian package that must be installed on the computer itself. */
export interface HostPackage {
  readonly package: string;
  /** What it is needed for, in one line. */
  readonly why: string;
  readonly for: readonly ("test" | "demo")[];
  /** A file that is there if the package is. */
  readonly probe: string;
}

/** Packages needed on Debian 12 besides Node. Essential ones (util-linux, dpkg, apt) are not listed. */
export const HOST_PACKAGES: readonly HostPackage[] = [
  {
    package: "qemu-system-x86",
    why: "runs the virtual machines",
    for: ["test", "demo"],
    probe: "/usr/bin/qemu-system-x86_64",
  },
  {
    package: "qemu-utils",
    why: "qemu-img makes and inspects disk images",
    for: ["test", "demo"],
    probe: "/usr/bin/qemu-img",
  },
  {
    package: "e2fsprogs",
    why: "mke2fs makes the guests' root file systems",
    for: ["test", "demo"],
    probe: "/usr/sbin/mke2fs",
  },
  {
    package: "mmdebstrap",
    why: "installs the desktop guest's packages into a folder",
    for: ["demo"],
    probe: "/usr/bin/mmdebstrap",
  },
];

/** Those of HOST_PACKAGES that building a guest runs. */
const BUILD_PACKAGES: Readonly<Record<GuestName, readonly string[]>> = {
  tiny: ["qemu-utils", "e2fsprogs"],
  desktop: ["qemu-utils", "e2fsprogs", "mmdebstrap"],
};

/** Whether a file exists. */
async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** @throws ENVIRONMENT naming the Debian packages that are missing for building this guest */
export async function requirePackages(guest: GuestName, present = exists): Promise<void> {
  const missing: string[] = [];
  for (const { package: name, probe } of HOST_PACKAGES) {
    if (BUILD_PACKAGES[guest].includes(name) && !(await present(probe))) missing.push(name);
  }
  if (missing.length === 0) return;
  throw new HomewardError("ENVIRONMENT", `building the ${guest} guest needs ${missing.join(" and ")}`, {
    hint: `Install with: apt-get install ${missing.join(" ")}`,
    data: { packages: missing },
  });
}
