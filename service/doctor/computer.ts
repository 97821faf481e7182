import { access, constants, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { formatCapacity } from "../../common/quantities.ts";
import { toHomewardError } from "../../common/errors.ts";
import { run } from "../../common/spawn.ts";
import { probeAccelerator } from "../../vm/accelerator.ts";
import { tryOwnNetwork } from "../../vm/confined.ts";
import { hasUefi } from "../../vm/firmware.ts";
import { qemuVersion } from "../../vm/machine-process.ts";
import { fine, problem, quoted, warning, type Finding } from "./finding.ts";

/** The programs and the room that Homeward needs of a computer. */

const TOOL_TIMEOUT_MS = 20_000;
const GIB = 1024 ** 3;
/** A generation of the desktop guest with its RAM, twice over; with a quarter of it nothing can be sealed. */
const GOOD_FREE_DISK_BYTES = 4 * GIB;
const MIN_FREE_DISK_BYTES = GIB;
/** RAM of one desktop guest and its twin, with a quarter left free. */
const GOOD_TMPFS_BYTES = 1.5 * GIB;
/** The oldest QEMU whose behaviour is relied on: x-ignore-shared and extended_l2 together; and the tested one. */
const TESTED_QEMU = [7, 2] as const;
const MIN_NODE_MAJOR = 24;

export function checkNode(): Finding {
  const { node } = process.versions;
  return Number(node.split(".")[0]) >= MIN_NODE_MAJOR
    ? fine(node)
    : problem(node, { hint: `Install Node.js ${MIN_NODE_MAJOR} or later.` });
}

function missingPackage(name: string, error: unknown): Finding {
  const found = error instanceof Error ? error.message.slice(0, 1000) : "missing";
  return problem(found, { hint: "Install it; this is for Debian.", command: `apt-get install ${name}` });
}

export async function checkQemu(): Promise<Finding> {
  let version: string;
  try {
    version = await qemuVersion();
  } catch (error) {
    return missingPackage("qemu-system-x86", error);
  }
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [testedMajor, testedMinor] = TESTED_QEMU;
  if (major === testedMajor && minor === testedMinor) return fine(version);
  return major < testedMajor || (major === testedMajor && minor < testedMinor)
    ? problem(version, { hint: `Install QEMU ${TESTED_QEMU.join(".")} or later.` })
    : warning(`${version}, which is newer than the tested ${TESTED_QEMU.join(".")}`, {
        hint: "It should work between hosts that have the same one.",
      });
}

/** Machines with a BIOS, which is QEMU's own, need none. */
export async function checkUefi(): Promise<Finding> {
  if (await hasUefi()) return fine("present");
  return warning("missing", {
    hint: "Only machines with UEFI need it; this is for Debian.",
    command: "apt-get install ovmf",
  });
}

/** One of the programs of qemu-utils. */
export async function checkTool(tool: string, signal: AbortSignal | undefined): Promise<Finding> {
  try {
    const { stdout } = await run(tool, ["--version"], {
      timeoutMs: TOOL_TIMEOUT_MS,
      ...(signal === undefined ? {} : { signal }),
    });
    return fine(/\d+\.\d+(?:\.\d+)?/.exec(stdout.toString())?.[0] ?? "present");
  } catch (error) {
    if (signal?.aborted === true) throw error;
    return missingPackage("qemu-utils", error);
  }
}

/** Programs that only some of it needs: how to ask for their version, the Debian package, and what for. */
const OPTIONAL = {
  openssl: { args: ["version"], package: "openssl", hint: "It makes the certificate with which hosts are paired." },
  ssh: { args: ["-V"], package: "openssh-client", hint: "It reaches hosts that have no open port of their own." },
} as const;

/** A program that Homeward works without, up to a point. */
export async function checkOptional(tool: keyof typeof OPTIONAL, signal: AbortSignal | undefined): Promise<Finding> {
  const { args, hint, package: name } = OPTIONAL[tool];
  try {
    await run(tool, args, { timeoutMs: TOOL_TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) });
    return fine("present");
  } catch (error) {
    if (signal?.aborted === true) throw error;
    return warning("missing", { hint, command: `apt-get install ${name}` });
  }
}

/** Both ends of a push speak what every rsync since this one can, compressed with zstd. */
const MIN_RSYNC = [3, 2] as const;

/** What `rsync --version` says, or nothing when there is none. */
export function rsyncFinding(said: string | null): Finding {
  const mending = { hint: "It lays generations down on other hosts.", command: "apt-get install rsync" };
  if (said === null) return warning("missing", mending);
  const [, version = "", major = "0", minor = "0"] = /version v?((\d+)\.(\d+)\S*)/.exec(said) ?? [];
  const [minMajor, minMinor] = MIN_RSYNC;
  if (Number(major) < minMajor || (Number(major) === minMajor && Number(minor) < minMinor))
    return warning(version === "" ? "no rsync that Homeward knows" : version, { ...mending, hint: `homeward push needs rsync ${MIN_RSYNC.join(".")} or later.` });
  const choices = /^Compress list:\s*([^\n]*)/m.exec(said)?.[1] ?? "";
  return choices.split(/\s+/).includes("zstd") ? fine(version) : warning(`${version}, without zstd`, { ...mending, hint: "homeward push needs an rsync that has zstd." });
}

/** Without it generations do not get to other hosts. */
export async function checkRsync(signal: AbortSignal | undefined): Promise<Finding> {
  try {
    const { stdout } = await run("rsync", ["--version"], { timeoutMs: TOOL_TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) });
    return rsyncFinding(stdout.toString());
  } catch (error) {
    if (signal?.aborted === true) throw error;
    return rsyncFinding(null);
  }
}

/** Without it only workspaces that allow it have a network with this computer's own services in it, and others do not start. */
export async function checkOwnNetwork(): Promise<Finding> {
  try {
    await tryOwnNetwork();
    return fine("machines are kept from this computer's loopback");
  } catch (thrown) {
    const { message } = toHomewardError(thrown);
    const isMissing = message.includes("slirp4netns");
    return problem(message.slice(0, 1000), {
      hint: isMissing
        ? "Install slirp4netns; this is for Debian. Until then only workspaces made with --allow-host-loopback start."
        : "User namespaces have to be allowed. Until then only workspaces made with --allow-host-loopback start.",
      command: isMissing ? "apt-get install slirp4netns" : "sysctl kernel.unprivileged_userns_clone kernel.apparmor_restrict_unprivileged_userns user.max_user_namespaces",
    });
  }
}

/** Software emulation is no failure: everything works with it, slower. */
export async function checkAccelerator(signal: AbortSignal | undefined): Promise<Finding> {
  const { accelerator, reason } = await probeAccelerator(signal);
  const found = `${accelerator}: ${reason}`;
  if (accelerator === "kvm") return fine(found);
  const forbidden = await access("/dev/kvm", constants.R_OK | constants.W_OK).then(
    () => false,
    (error: unknown) => error instanceof Error && "code" in error && error.code === "EACCES",
  );
  return forbidden
    ? warning(found, { hint: "With KVM machines are many times faster; log in again after this.", command: "sudo usermod -aG kvm $USER" })
    : fine(found);
}

/** The nearest folder that exists, as the state folder may not be there yet. */
async function existing(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    try {
      await stat(at);
      return at;
    } catch (error) {
      if (at === dirname(at)) throw error;
    }
  }
}

export async function checkDisk(stateDir: string): Promise<Finding> {
  const at = await existing(stateDir);
  const { bavail, bsize } = await statfs(at);
  const free = bavail * bsize;
  const found = `${formatCapacity(free)} free for ${stateDir}`;
  if (free >= GOOD_FREE_DISK_BYTES) return fine(found);
  const mending = {
    hint: `${formatCapacity(GOOD_FREE_DISK_BYTES)} are good to have: each generation takes as much as the guest's memory.`,
    command: `df -h ${quoted(at)}`,
  };
  return free >= MIN_FREE_DISK_BYTES ? warning(found, mending) : problem(found, mending);
}

export async function checkTmpfs(): Promise<Finding> {
  let room: { readonly bavail: number; readonly blocks: number; readonly bsize: number };
  try {
    room = await statfs("/dev/shm");
  } catch {
    return warning("missing", { hint: "Memory of machines will be on disk, which is slower.", command: "mount -t tmpfs -o mode=1777 tmpfs /dev/shm" });
  }
  const { bavail, blocks, bsize } = room;
  const found = `${formatCapacity(blocks * bsize)}, ${formatCapacity(bavail * bsize)} free`;
  return bavail * bsize >= GOOD_TMPFS_BYTES
    ? fine(found)
    : warning(found, {
        hint: "Memory of machines that do not fit will be on disk, which is slower. If there is enough, enlarge it.",
        command: "mount -o remount,size=4G /dev/shm",
      });
}
