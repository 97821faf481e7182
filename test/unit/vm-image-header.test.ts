import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkLayers, readQcow2Header } from "../../vm/image-header.ts";

let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-header-"));
});

afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

/** A version 3 header for a disk of 1 GiB. */
function header(change: (data: Buffer) => void = () => undefined): Buffer {
  const data = Buffer.alloc(104);
  data.write("QFI\xfb", 0, "latin1");
  data.writeUInt32BE(3, 4);
  data.writeUInt32BE(17, 20);
  data.writeBigUInt64BE(1n << 30n, 24);
  change(data);
  return data;
}

async function file(data: Buffer | string): Promise<string> {
  const path = join(dir, "image");
  await writeFile(path, data);
  return path;
}

test("size and flags are read", async () => {
  const plain = { virtualBytes: 2 ** 30, hasBacking: false, dirty: false };
  expect(await readQcow2Header(await file(header()))).toEqual(plain);
  const other = header((data) => {
    data.writeBigUInt64BE(200n, 8);
    data.writeBigUInt64BE(1n, 72);
  });
  expect(await readQcow2Header(await file(other))).toMatchObject({ hasBacking: true, dirty: true });
});

test("another kind of file is no qcow2 image", async () => {
  for (const data of ["", "QFI", "a raw disk that begins like this"]) {
    expect(await readQcow2Header(await file(data))).toBeNull();
    await expect(checkLayers([join(dir, "image")])).rejects.toMatchObject({ code: "DAMAGED" });
  }
  await expect(readQcow2Header(join(dir, "missing"))).rejects.toMatchObject({ code: "NOT_FOUND" });
});

test.each<[string, string, (data: Buffer) => void]>([
  ["data in another file", "USAGE", (data) => data.writeBigUInt64BE(4n, 72)],
  ["encryption", "USAGE", (data) => data.writeUInt32BE(2, 32)],
  ["corruption", "DAMAGED", (data) => data.writeBigUInt64BE(2n, 72)],
  ["an unknown version", "DAMAGED", (data) => data.writeUInt32BE(4, 4)],
  ["an impossible size", "DAMAGED", (data) => data.writeBigUInt64BE(1n << 60n, 24)],
])("%s is refused", async (_, code, change) => {
  await expect(readQcow2Header(await file(header(change)))).rejects.toMatchObject({ code });
});

test("a header cut short is refused, wherever", async () => {
  for (let length = 4; length < 80; length++)
    await expect(readQcow2Header(await file(header().subarray(0, length)))).rejects.toMatchObject({ code: "DAMAGED" });
});

test("a disk without layers is refused", async () => {
  await expect(checkLayers([])).rejects.toMatchObject({ code: "USAGE" });
});
