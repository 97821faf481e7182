import { access, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HomewardError } from "../common/errors.ts";
import { run } from "../common/spawn.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const RELEASE = "bookworm";

/** One package index, as `apt-get indextargets` describes it. */
export interface IndexTarget {
  readonly uri: string;
  readonly suite: string;
  readonly codename: string;
  readonly component: string;
  /** The Release file's Origin, or empty if apt has not fetched it yet. */
  readonly origin: string;
}

/** Parses lines of `uri|suite|codename|component|origin`; a field apt does not know stays as its placeholder. */
export function parseIndexTargets(text: string): IndexTarget[] {
  const known = (field: string | undefined): string =>
    field === undefined || field.startsWith("$(") ? "" : field.trim();
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [uri, suite, codename, component, origin] = line.split("|");
      return {
        uri: known(uri),
        suite: known(suite),
        codename: known(codename),
        component: known(component),
        origin: known(origin),
      };
    });
}

/** Debian 12's own archives among the host's sources, as lines of a sources.list; other publishers are left out. */
export function debianSources(targets: readonly IndexTarget[], options: string): string[] {
  const isRelease = (name: string): boolean =>
    name === RELEASE || name === `${RELEASE}-updates` || name === `${RELEASE}-security`;
  const lines = targets
    .filter((target) => isRelease(target.suite) || isRelease(target.codename))
    .filter((target) => target.component === "main" && (target.origin === "" || target.origin === "Debian"))
    .map((target) => `deb ${options}${target.uri} ${target.suite} ${target.component}`);
  return [...new Set(lines)];
}

/** Where packages come from: this computer's own Debian sources, wherever those point. */
export interface AptSources {
  /** A sources.list with Debian 12 only. */
  readonly file: string;
  /** An apt.conf with what this computer needs to reach them (proxy, certificates). */
  readonly settingsFile: string;
}

/** Settings that decide how to reach an archive, out of `apt-config dump Acquire`. */
export function networkSettings(dump: string): string[] {
  return dump
    .split("\n")
    .filter((line) => /^Acquire::(?:https?|Retries|ForceIPv[46])\b/i.test(line) && !line.includes("User-Agent"))
    .filter((line) => !line.endsWith(' "";'));
}

/**
 * Works out the host's Debian sources and writes them into DIR.
 * @throws ENVIRONMENT if the host has no apt or no Debian 12 source
 */
export async function findAptSources(dir: string, signal?: AbortSignal): Promise<AptSources> {
  const options = signal === undefined ? {} : { signal };
  const format = "$(REPO_URI)|$(RELEASE)|$(CODENAME)|$(COMPONENT)|$(ORIGIN)";
  const targets = await run("apt-get", ["indextargets", "--format", format, "Created-By: Packages"], options);
  const signed = await access(KEYRING).then(
    () => `[signed-by=${KEYRING}] `,
    () => "",
  );
  const lines = debianSources(parseIndexTargets(targets.stdout.toString()), signed);
  if (lines.length === 0)
    throw new HomewardError("ENVIRONMENT", `this computer's apt sources name no Debian 12 (${RELEASE}) archive`, {
      hint: "Guests are built from Debian 12 packages: add its archive to /etc/apt/sources.list.d.",
    });
  await mkdir(dir, { recursive: true });
  const file = join(dir, "sources.list");
  const dump = await run("apt-config", ["dump", "Acquire"], options);
  const settingsFile = join(dir, "apt.conf");
  // Both may hold a password.
  await writeFile(file, `${lines.join("\n")}\n`, { mode: 0o600 });
  await writeFile(settingsFile, `${networkSettings(dump.stdout.toString()).join("\n")}\n`, { mode: 0o600 });
  return { file, settingsFile };
}

/** apt with lists and cache of its own in DIR: it needs no root and leaves the host's apt as it is. */
export class PrivateApt {
  readonly #dir: string;
  readonly #arguments: readonly string[];

  constructor(dir: string, sources: AptSources) {
    this.#dir = dir;
    const settings = {
      "Dir::State": join(dir, "state"),
      "Dir::State::status": "/dev/null",
      "Dir::Cache": join(dir, "cache"),
      "Dir::Etc::sourcelist": sources.file,
      "Dir::Etc::sourceparts": "-",
      "APT::Sandbox::User": "root",
      "APT::Architecture": "amd64",
      "Acquire::Languages": "none",
      "APT::Update::Post-Invoke-Success": "",
    };
    this.#arguments = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  }

  async update(signal?: AbortSignal): Promise<void> {
    for (const folder of ["state/lists/partial", "cache/archives/partial", "packages"])
      await mkdir(join(this.#dir, folder), { recursive: true });
    await this.#run("apt-get", ["-q", "update", "--error-on=any"], signal);
  }

  /** The packages that `name` depends on directly. */
  async dependencies(name: string, signal?: AbortSignal): Promise<string[]> {
    const out = await this.#run("apt-cache", ["depends", "--important", name], signal);
    return [...out.matchAll(/^\s*\|?(?:Pre)?Depends: ([a-z0-9][a-z0-9+.-]*)$/gm)].map((match) => match[1] ?? "");
  }

  /** Fetches packages into a folder of their own and returns that folder. */
  async download(names: readonly string[], signal?: AbortSignal): Promise<string> {
    const folder = join(this.#dir, "packages");
    await this.#run("apt-get", ["-q", "download", "--", ...names], signal, folder);
    return folder;
  }

  async #run(command: string, args: readonly string[], signal?: AbortSignal, cwd?: string): Promise<string> {
    const result = await run(command, [...this.#arguments, ...args], {
      ...(signal === undefined ? {} : { signal }),
      ...(cwd === undefined ? {} : { cwd }),
    });
    return result.stdout.toString();
  }
}
