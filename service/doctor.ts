import { stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { toHomewardError } from "../common/errors.ts";
import { run } from "../common/spawn.ts";
import type { ControlResult, DoctorCheck } from "../protocol/control.ts";
import { probeAccelerator } from "../vm/accelerator.ts";
import { qemuVersion } from "../vm/machine-process.ts";

const TOOL_TIMEOUT_MS = 20_000;
const GIB = 1024 ** 3;
/** A generation of the desktop guest with its RAM, twice over. */
const MIN_FREE_DISK_BYTES = 4 * GIB;
/** RAM of one desktop guest and its twin, with a quarter left free. */
const MIN_TMPFS_BYTES = 1.5 * GIB;
/** The oldest QEMU whose behaviour is relied on: x-ignore-shared and extended_l2 together. */
const MIN_QEMU = [7, 2] as const;
const MIN_NODE_MAJOR = 24;

type Finding = Omit<DoctorCheck, "name">;

const fine = (found: string): Finding => ({ ok: true, found, hint: null });
const wrong = (found: string, hint: string): Finding => ({ ok: false, found, hint });

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}

function checkNode(): Finding {
  const { node } = process.versions;
  return Number(node.split(".")[0]) >= MIN_NODE_MAJOR
    ? fine(node)
    : wrong(node, `Install Node.js ${MIN_NODE_MAJOR} or later.`);
}

async function checkQemu(): Promise<Finding> {
  const version = await qemuVersion();
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const recent = major > MIN_QEMU[0] || (major === MIN_QEMU[0] && minor >= MIN_QEMU[1]);
  return recent ? fine(version) : wrong(version, `Install QEMU ${MIN_QEMU.join(".")} or later.`);
}

async function checkTool(command: string, signal: AbortSignal | undefined): Promise<Finding> {
  const { stdout } = await run(command, ["--version"], {
    timeoutMs: TOOL_TIMEOUT_MS,
    ...(signal === undefined ? {} : { signal }),
  });
  return fine(stdout.toString().split("\n")[0]?.slice(0, 200) ?? "present");
}

/** tcg is no failure: everything works with it, slower. */
async function checkAccelerator(signal: AbortSignal | undefined): Promise<Finding> {
  const { accelerator, reason } = await probeAccelerator(signal);
  return fine(`${accelerator} (${reason})`);
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

async function checkDisk(stateDir: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(await existing(stateDir));
  const free = bavail * bsize;
  const found = `${gib(free)} free for ${stateDir}`;
  return free >= MIN_FREE_DISK_BYTES ? fine(found) : wrong(found, `Make room: ${gib(MIN_FREE_DISK_BYTES)} at least.`);
}

async function checkTmpfs(): Promise<Finding> {
  const { bavail, blocks, bsize } = await statfs("/dev/shm");
  const found = `${gib(blocks * bsize)}, ${gib(bavail * bsize)} free`;
  return bavail * bsize >= MIN_TMPFS_BYTES
    ? fine(found)
    : wrong(found, "RAM of machines will be on disk, which is slower. Enlarge it: mount -o remount,size=4G /dev/shm");
}

/** Which Debian package has it; other distributions name theirs alike. */
const PACKAGES: Readonly<Record<string, string>> = {
  QEMU: "qemu-system-x86",
  "qemu-img": "qemu-utils",
  "qemu-nbd": "qemu-utils",
};

export interface DoctorOptions {
  /** Absolute; need not exist yet. */
  readonly stateDir: string;
  readonly signal?: AbortSignal;
}

/** Looks at everything Homeward needs of this computer. Never throws for something that is missing: that is the finding. */
export async function runDoctor({ stateDir, signal }: DoctorOptions): Promise<ControlResult<"doctor">> {
  const checks: readonly (readonly [string, () => Finding | Promise<Finding>])[] = [
    ["Node.js", checkNode],
    ["QEMU", checkQemu],
    ["qemu-img", () => checkTool("qemu-img", signal)],
    ["qemu-nbd", () => checkTool("qemu-nbd", signal)],
    ["accelerator", () => checkAccelerator(signal)],
    ["disk space", () => checkDisk(stateDir)],
    ["/dev/shm", checkTmpfs],
  ];
  const results: DoctorCheck[] = [];
  for (const [name, check] of checks) {
    try {
      results.push({ name, ...(await check()) });
    } catch (thrown) {
      const { code, message } = toHomewardError(thrown);
      if (code === "CANCELLED") throw thrown;
      const tool = PACKAGES[name];
      const hint = tool === undefined ? null : `Install it (Debian: apt install ${tool}).`;
      results.push({ name, ok: false, found: message.slice(0, 1000), hint });
    }
  }
  return { ok: results.every(({ ok }) => ok), checks: results };
}
