import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  checkVariables,
  copyVariables,
  isVariables,
  prepareUefiBoot,
  prepareUefiResume,
  requireVariables,
  UEFI_VARIABLES_ADDRESS,
  UEFI_VARIABLES_BYTES,
} from "../../vm/firmware.ts";

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-firmware-"));
  path = join(dir, "uefi-variables");
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

function variables(last = 0): Buffer {
  const content = Buffer.alloc(UEFI_VARIABLES_BYTES);
  content.write("_FVH", 40, "latin1");
  content[content.length - 1] = last;
  return content;
}

test("the variables lie right below the code, which ends at 4 GiB", async () => {
  const { size } = await stat("/usr/share/OVMF/OVMF_CODE_4M.fd");
  expect(UEFI_VARIABLES_ADDRESS + UEFI_VARIABLES_BYTES + size).toBe(2 ** 32);
  expect(await isVariables("/usr/share/OVMF/OVMF_VARS_4M.fd")).toBe(true);
});

test("a machine is turned on with the variables it left, and with new ones where there are none", async () => {
  const template = await readFile("/usr/share/OVMF/OVMF_VARS_4M.fd");
  expect((await prepareUefiBoot(path)).variablesPath).toBe(path);
  expect((await readFile(path)).equals(template)).toBe(true);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  await writeFile(path, variables(7));
  await prepareUefiBoot(path);
  expect((await readFile(path)).equals(variables(7))).toBe(true);
  for (const useless of [Buffer.alloc(UEFI_VARIABLES_BYTES), variables().subarray(1)]) {
    await writeFile(path, useless);
    await prepareUefiBoot(path);
    expect((await readFile(path)).equals(template)).toBe(true);
  }
});

test("a machine that waits for a state needs a file of the right size, and what is there stays", async () => {
  await prepareUefiResume(path);
  expect((await readFile(path)).equals(Buffer.alloc(UEFI_VARIABLES_BYTES))).toBe(true);
  await writeFile(path, variables(9));
  await prepareUefiResume(path);
  expect((await readFile(path)).equals(variables(9))).toBe(true);
});

test("other files are not taken for variables", async () => {
  const other = join(dir, "other");
  await writeFile(other, variables(3));
  await requireVariables(other);
  await copyVariables(other, path);
  expect((await readFile(path)).equals(variables(3))).toBe(true);
  await expect(requireVariables(join(dir, "none"))).rejects.toMatchObject({ code: "USAGE" });
  await writeFile(other, Buffer.alloc(131_072));
  await expect(requireVariables(other)).rejects.toMatchObject({ code: "USAGE" });
  expect(() => {
    checkVariables(Buffer.alloc(UEFI_VARIABLES_BYTES), "x");
  }).toThrow(expect.objectContaining({ code: "DAMAGED" }));
});
