import { toHomewardError } from "../../common/errors.ts";
import type { ControlResult, DoctorCheck } from "../../protocol/control.ts";
import { checkAccelerator, checkDisk, checkNode, checkOptional, checkOwnNetwork, checkQemu, checkRsync, checkTmpfs, checkTool, checkUefi } from "./computer.ts";
import { problem, type Finding } from "./finding.ts";
import { checkPeers, findService } from "./hosts.ts";
import { checkListening } from "./listening.ts";
import { mend } from "./mend.ts";
import { StatePaths } from "../store/paths.ts";
import { checkFolders, checkLeftovers, checkSocketPaths } from "./state-folder.ts";

/** Said one by one; what is more was done all the same. */
const MAX_MENDED = 1000;

export interface DoctorOptions {
  /** Absolute; need not exist yet. */
  readonly stateDir: string;
  readonly signal?: AbortSignal;
  /** "safe" mends first what nobody can miss; see mend.ts. */
  readonly mending?: "none" | "safe";
}

/** A look that fails is a finding, too. @throws CANCELLED */
async function looked(name: string, look: () => Finding | Promise<Finding>): Promise<DoctorCheck> {
  try {
    return { name, ...(await look()) };
  } catch (thrown) {
    const { code, message, hint } = toHomewardError(thrown);
    if (code === "CANCELLED") throw thrown;
    return { name, ...problem(message.slice(0, 1000), { hint: hint ?? "This could not be looked at." }) };
  }
}

/** Looks at everything Homeward needs. Never throws for something that is wrong: that is the finding. @throws CANCELLED */
export async function runDoctor({ stateDir, signal, mending = "none" }: DoctorOptions): Promise<ControlResult<"doctor">> {
  const mended = mending === "safe" ? (await mend(stateDir)).slice(0, MAX_MENDED) : [];
  const checks: DoctorCheck[] = [];
  const look = async (name: string, check: () => Finding | Promise<Finding>): Promise<void> => {
    checks.push(await looked(name, check));
  };
  await look("Node.js", checkNode);
  await look("QEMU", checkQemu);
  await look("qemu-img", () => checkTool("qemu-img", signal));
  await look("qemu-nbd", () => checkTool("qemu-nbd", signal));
  for (const tool of ["openssl", "ssh"] as const) await look(tool, () => checkOptional(tool, signal));
  await look("rsync", () => checkRsync(signal));
  await look("UEFI firmware", checkUefi);
  await look("accelerator", () => checkAccelerator(signal));
  await look("network", checkOwnNetwork);
  await look("disk space", () => checkDisk(stateDir));
  await look("/dev/shm", checkTmpfs);
  await look("permissions", () => checkFolders(stateDir));
  await look("socket paths", () => checkSocketPaths(stateDir));
  const { finding, running, known, listening } = await findService(stateDir);
  checks.push({ name: "service", ...finding });
  // A running service's own unfinished work looks the same.
  if (!running) await look("leftovers", () => checkLeftovers(stateDir));
  await look("listening", () => checkListening(listening));
  for (const [name, peer] of await checkPeers(known, listening === null ? null : new StatePaths(stateDir).control)) checks.push({ name, ...peer });
  return { ok: checks.every(({ severity }) => severity !== "problem"), mended, checks };
}
