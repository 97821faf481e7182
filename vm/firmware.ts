import { copyFile, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { HomewardError } from "../common/errors.ts";
import { syncFiles } from "./device-state.ts";

/**
 * UEFI firmware: OVMF's 4 MiB build without Secure Boot, in two flash chips, code and variables. QEMU puts the content of
 * both chips into the device state, so a resumed machine goes on with the firmware and the variables it had, whatever
 * lies in the files; on this computer the files only have to have the right sizes. They count when a machine is turned on.
 */
const CODE_BYTES = 3_653_632;
export const UEFI_VARIABLES_BYTES = 540_672;
/** Where the variables are in the guest's memory: right below the code, which ends at 4 GiB. */
export const UEFI_VARIABLES_ADDRESS = 2 ** 32 - CODE_BYTES - UEFI_VARIABLES_BYTES;

/** Where Debian, and what descends from it, has them. */
const CODE_PATH = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const TEMPLATE_PATH = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/** Of a firmware volume, whose header every variable store begins with (UEFI PI specification, volume 3). */
const VOLUME_SIGNATURE = { offset: 40, text: "_FVH" } as const;

export interface UefiFiles {
  /** The firmware itself, shared and never written. */
  readonly codePath: string;
  /** The machine's own. */
  readonly variablesPath: string;
}

async function hasSize(path: string, bytes: number): Promise<boolean> {
  return stat(path).then(
    ({ size }) => size === bytes,
    () => false,
  );
}

/** Whether this computer can run machines with UEFI firmware. */
export async function hasUefi(): Promise<boolean> {
  const sizes = [hasSize(CODE_PATH, CODE_BYTES), hasSize(TEMPLATE_PATH, UEFI_VARIABLES_BYTES)];
  return (await Promise.all(sizes)).every(Boolean);
}

/** @throws ENVIRONMENT when this computer lacks it */
export async function requireUefi(): Promise<void> {
  if (await hasUefi()) return;
  throw new HomewardError("ENVIRONMENT", "this computer has no UEFI firmware (OVMF)", {
    hint: "Install it (Debian: apt install ovmf).",
  });
}

/**
 * Files for a machine that is to be turned on: the variables it left in `variablesPath`, or new ones.
 * @throws ENVIRONMENT, NO_ROOM
 */
export async function prepareUefiBoot(variablesPath: string): Promise<UefiFiles> {
  await requireUefi();
  if (!(await isVariables(variablesPath))) await copyVariables(TEMPLATE_PATH, variablesPath);
  return { codePath: CODE_PATH, variablesPath };
}

/** Gives a machine the variables in another file; durable when it resolves. */
export async function copyVariables(from: string, to: string): Promise<void> {
  const unfinished = `${to}.new`;
  await copyFile(from, unfinished);
  await replaceDurably(unfinished, to);
}

/** @throws USAGE unless a machine can be given the variables in this file */
export async function requireVariables(path: string): Promise<void> {
  if (await isVariables(path)) return;
  throw new HomewardError("USAGE", `${path} does not hold the variables of 4 MiB UEFI firmware`, {
    hint: "They are of the size of OVMF_VARS_4M.fd; without a file the machine gets new ones.",
  });
}

/** Files for a machine that waits for a saved state: what they hold is overwritten by what the state says. */
export async function prepareUefiResume(variablesPath: string): Promise<UefiFiles> {
  await requireUefi();
  if (!(await hasSize(variablesPath, UEFI_VARIABLES_BYTES))) {
    await rm(variablesPath, { force: true });
    const file = await open(variablesPath, "wx", 0o600);
    try {
      await file.truncate(UEFI_VARIABLES_BYTES);
    } finally {
      await file.close();
    }
  }
  return { codePath: CODE_PATH, variablesPath };
}

async function replaceDurably(from: string, to: string): Promise<void> {
  const file = await open(from, "r+");
  try {
    await file.chmod(0o600);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(from, to);
  await syncFiles([dirname(to)]);
}

/** Whether the file, which may be missing, is what the firmware keeps its variables in. */
export async function isVariables(path: string): Promise<boolean> {
  if (!(await hasSize(path, UEFI_VARIABLES_BYTES))) return false;
  return holdsVariables(await readFile(path));
}

function holdsVariables(content: Buffer): boolean {
  const { offset, text } = VOLUME_SIGNATURE;
  return content.length === UEFI_VARIABLES_BYTES && content.toString("latin1", offset, offset + text.length) === text;
}

/** @throws DAMAGED unless it is what the firmware keeps its variables in */
export function checkVariables(content: Buffer, what: string): void {
  if (holdsVariables(content)) return;
  throw new HomewardError("DAMAGED", `${what} does not hold the variables of 4 MiB UEFI firmware`, {
    data: { expected: UEFI_VARIABLES_BYTES, actual: content.length },
  });
}
