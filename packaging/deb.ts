import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { HomewardError } from "../common/errors.ts";
import { run } from "../common/spawn.ts";

const compress = promisify(gzip);

/** Debian's names of processors. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** What the machines need, then what Electron's own program is linked with. */
const DEPENDS = [
  "qemu-system-x86 (>= 1:7.2)",
  "qemu-utils",
  "openssl",
  "libasound2 | libasound2t64",
  "libatk-bridge2.0-0 | libatk-bridge2.0-0t64",
  "libgbm1",
  "libgtk-3-0 | libgtk-3-0t64",
  "libnotify4",
  "libnss3",
  "libxtst6",
  "xdg-utils",
];
const RECOMMENDS = ["openssh-client", "ovmf", "rsync"];

export interface DebOptions {
  /** Folder of the app as it was packaged, with the service's tree in resources/homeward. */
  readonly app: string;
  /** Name of the program in it. */
  readonly executable: string;
  readonly version: string;
  /** As Node calls it, e.g. "x64". */
  readonly arch: string;
  readonly description: string;
  /** Files that the package holds outside of the app's folder, by their path from the root. */
  readonly files: ReadonlyMap<string, string | Buffer>;
  /** The package to be written. */
  readonly output: string;
  /** dpkg-deb's -Z; "none" is for those in a hurry. */
  readonly compression?: "xz" | "zstd" | "none";
}

/** Bytes that a folder takes, in KiB, as Debian counts them for Installed-Size. */
async function installedKib(dir: string): Promise<number> {
  let kib = 0;
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true }))
    kib += entry.isFile() ? Math.ceil((await stat(join(entry.parentPath, entry.name))).size / 1024) : 1;
  return kib;
}

function controlFile({ version, arch, description }: DebOptions, kib: number): string {
  const architecture = ARCHITECTURES[arch];
  if (architecture === undefined) throw new HomewardError("USAGE", `there is no Debian package for ${arch}`);
  return [
    "Package: homeward",
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    "Maintainer: The Homeward developers <homeward@localhost>",
    `Installed-Size: ${kib}`,
    `Depends: ${DEPENDS.join(", ")}`,
    `Recommends: ${RECOMMENDS.join(", ")}`,
    "Section: otherosfs",
    "Priority: optional",
    `Description: ${description}`,
    " A person's input is recorded, replayed on the other computer, and only what",
    " that does not reproduce is sent.",
    "",
  ].join("\n");
}

/** Links in /usr/bin, and what they point to from there. */
function programs(executable: string): [string, string][] {
  return [
    ["usr/bin/homeward", "../lib/homeward/resources/homeward/bin/homeward"],
    ["usr/bin/homeward-app", `../lib/homeward/${executable}`],
  ];
}

/** Makes a Debian package with dpkg-deb; all in it belongs to root. @throws ENVIRONMENT without dpkg-deb */
export async function makeDeb(options: DebOptions): Promise<void> {
  const { app, executable, files, output, compression = "xz" } = options;
  const stage = await mkdtemp(join(tmpdir(), "homeward-deb-"));
  try {
    await chmod(stage, 0o755);
    const home = join(stage, "usr", "lib", "homeward");
    await cp(app, home, { recursive: true });
    // Chromium's sandbox needs a helper that becomes root where the kernel gives users no namespaces.
    await chmod(join(home, "chrome-sandbox"), 0o4755).catch(() => undefined);
    await mkdir(join(stage, "usr", "bin"), { recursive: true });
    for (const [path, target] of programs(executable)) await symlink(target, join(stage, path));
    for (const [path, content] of files) {
      const target = join(stage, path);
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, path.endsWith(".gz") ? await compress(content) : content, { mode: 0o644 });
    }
    const kib = await installedKib(stage);
    await mkdir(join(stage, "DEBIAN"));
    await writeFile(join(stage, "DEBIAN", "control"), controlFile(options, kib));
    await mkdir(dirname(output), { recursive: true });
    await run("dpkg-deb", ["--root-owner-group", `-Z${compression}`, "--build", stage, output]);
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

/** Reads a text file of this folder. */
export async function packagingFile(name: string): Promise<string> {
  return readFile(join(import.meta.dirname, name), "utf8");
}
