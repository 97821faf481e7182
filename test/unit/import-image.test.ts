import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { HomewardError } from "../../common/errors.ts";
import { readBootRecord } from "../../vm/source/boot-record.ts";
import { readSourceFile } from "../../vm/source/image-format.ts";
import { sourceNode } from "../../vm/source/source-image.ts";
import { BIOS_BOOT_GUID, ESP_GUID, gpt, LINUX_GUID, mbr, MICROSOFT_RESERVED_GUID } from "../images/partitions.ts";

const SECTORS = 204_800;
const BYTES = SECTORS * 512;
const CODE = Buffer.from("eb63", "hex");
const linux = { first: 4096, count: 100_000, type: 0x83 };
const gptLinux = { ...linux, type: LINUX_GUID };

describe("the beginning of a disk", () => {
  test.each<[string, Buffer, object]>([
    ["GRUB on an MBR disk", mbr([linux], CODE), { partitions: "mbr", startsByBios: true, startsByUefi: false }],
    ["an MBR disk with an EFI partition", mbr([{ ...linux, type: 0xef }]), { startsByBios: false, startsByUefi: true }],
    ["a data disk", mbr([linux]), { startsByBios: false, startsByUefi: false }],
    ["a file system with boot code", mbr([], CODE), { partitions: "none", startsByBios: true, startsByUefi: false }],
    [
      "UEFI's own way",
      gpt([{ first: 2048, count: 2048, type: ESP_GUID }, gptLinux], SECTORS),
      { partitions: "gpt", startsByBios: false, startsByUefi: true, isWindows: false },
    ],
    [
      "a GPT disk for both",
      gpt([{ first: 34, count: 2014, type: BIOS_BOOT_GUID }, { first: 2048, count: 9, type: ESP_GUID }, gptLinux], SECTORS, CODE),
      { startsByBios: true, startsByUefi: true },
    ],
    ["code that has nothing to go on with", gpt([gptLinux], SECTORS, CODE), { startsByBios: false, startsByUefi: false }],
    [
      "Windows with UEFI",
      gpt([{ first: 2048, count: 9, type: ESP_GUID }, { ...gptLinux, type: MICROSOFT_RESERVED_GUID }], SECTORS, CODE),
      { startsByBios: false, startsByUefi: true, isWindows: true },
    ],
    ["Windows with BIOS", mbr([{ ...linux, type: 7 }], CODE), { startsByBios: true, isWindows: true }],
  ])("%s", (_, start, expected) => {
    expect(readBootRecord(start, BYTES, "/i")).toMatchObject(expected);
  });

  test("without a boot sector there is nothing to start", () => {
    expect(readBootRecord(Buffer.alloc(65_536), BYTES, "/i")).toBeNull();
    expect(readBootRecord(Buffer.alloc(100), 100, "/i")).toBeNull();
  });

  test("text in the place of a partition table is none", () => {
    const start = mbr([], CODE);
    start.write("Remove disks or other media. Press any key to restart", 440, "latin1");
    start.writeUInt16LE(0xaa55, 510);
    expect(readBootRecord(start, BYTES, "/i")).toMatchObject({ partitions: "none", startsByBios: true });
  });

  test.each<[string, Buffer]>([
    ["MBR", mbr([linux], CODE)],
    ["GPT", gpt([gptLinux], SECTORS)],
    ["only the copy of the GPT", gpt([{ ...gptLinux, count: 10 }], SECTORS)],
  ])("partitions beyond the end are a cut-off image: %s", (_, start) => {
    expect(() => readBootRecord(start, BYTES / 2, "/i")).toThrow(
      expect.objectContaining({ code: "DAMAGED", message: expect.stringContaining("/i is cut off") as string }),
    );
  });

  test("no damage makes it fail in another way", () => {
    const whole = gpt([{ first: 2048, count: 9, type: ESP_GUID }, gptLinux], SECTORS, CODE);
    for (let i = 0; i < 3000; i++) {
      const start = Buffer.from(whole);
      for (let n = 0; n < 4; n++) start[(i * 7919 + n * 131) % 1024] = (i * 31 + n) % 256;
      try {
        readBootRecord(start, BYTES, "/i");
      } catch (error) {
        expect(error).toMatchObject({ code: "DAMAGED" });
      }
    }
  });
});

describe("an image's file", () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "hw-import-"));
  });
  afterAll(async () => {
    await rm(dir, { recursive: true });
  });

  async function file(data: Buffer, bytes?: number): Promise<string> {
    const path = join(dir, "image");
    await writeFile(path, data);
    if (bytes !== undefined) await truncate(path, bytes);
    return path;
  }

  function qcow2(change: (header: Buffer) => void = () => undefined): Buffer {
    const header = Buffer.alloc(104);
    header.write("QFI\xfb", 0, "latin1");
    header.writeUInt32BE(3, 4);
    header.writeBigUInt64BE(1n << 30n, 24);
    change(header);
    return header;
  }

  function vmdk(descriptor: string, capacity = 2048n): Buffer {
    const data = Buffer.alloc(2048);
    data.write("KDMV", 0, "latin1");
    data.writeBigUInt64LE(capacity, 12);
    data.writeBigUInt64LE(1n, 28);
    data.writeBigUInt64LE(2n, 36);
    data.write(descriptor, 512, "latin1");
    return data;
  }

  function vdi(change: (header: Buffer) => void = () => undefined): Buffer {
    const data = Buffer.alloc(1024);
    data.writeUInt32LE(0xbeda107f, 0x40);
    data.writeUInt32LE(512, 0x158);
    data.writeUInt32LE(512, 0x178);
    data.writeUInt32LE(1, 0x184);
    change(data);
    return data;
  }

  test.each<[string, Buffer]>([
    ["qcow2", qcow2()],
    ["vmdk", vmdk('CID=12345678\nparentCID=ffffffff\ncreateType="monolithicSparse"\n')],
    ["vmdk", vmdk('CID=12345678\nparentCID=ffffffff\ncreateType="streamOptimized"\n')],
    ["vdi", vdi()],
    ["raw", mbr([linux], CODE)],
  ])("the format is found out: %s", async (format, data) => {
    const path = await file(data);
    expect(await readSourceFile(path, null)).toMatchObject({ path, format });
  });

  test("what an image is said to be counts more than what it looks like", async () => {
    const path = await file(qcow2());
    expect(await readSourceFile(path, "raw")).toMatchObject({ format: "raw" });
    await expect(readSourceFile(path, "vdi")).rejects.toMatchObject({ code: "USAGE", message: expect.stringMatching(/is not a vdi image/) as string });
  });

  test("holes are not counted", async () => {
    const found = await readSourceFile(await file(mbr([linux], CODE), 100 * 2 ** 30), null);
    expect(found.allocatedBytes).toBeLessThan(1_000_000);
  });

  test.each<[string, Buffer, string, RegExp, RegExp]>([
    ["a qcow2 layer", qcow2((h) => h.writeBigUInt64BE(200n, 8)), "USAGE", /only a layer on top/, /qemu-img convert/],
    ["qcow2 with data elsewhere", qcow2((h) => h.writeBigUInt64BE(4n, 72)), "USAGE", /data in another file/, /Convert/],
    ["encrypted qcow2", qcow2((h) => h.writeUInt32BE(1, 32)), "USAGE", /is encrypted/, /.*/],
    ["a VMware snapshot", vmdk('parentCID=01234567\ncreateType="monolithicSparse"'), "USAGE", /only a layer/, /convert/],
    ["one of VMware's parts", vmdk('createType="twoGbMaxExtentSparse"'), "USAGE", /several files/, /convert/],
    ["a list in VMware's disguise", vmdk('createType="monolithicSparse"', 0n), "USAGE", /several files/, /convert/],
    ["VMware's list of files", Buffer.from("# Disk DescriptorFile\nRW 1 FLAT \"/etc/passwd\" 0\n"), "USAGE", /only lists/, /convert/],
    [
      "a VMware disk whose description is nowhere",
      (() => {
        const data = vmdk('createType="monolithicSparse"');
        data.writeBigUInt64LE(2n ** 63n, 28);
        return data;
      })(),
      "DAMAGED",
      /is cut off/,
      /Copy/,
    ],
    ["a VirtualBox snapshot", vdi((h) => h.writeUInt8(1, 0x1a8)), "USAGE", /only a layer/, /convert/],
    ["a cut-off VirtualBox disk", vdi((h) => h.writeUInt32LE(9, 0x184)), "DAMAGED", /is cut off/, /Copy/],
    ["VHDX", Buffer.from("vhdxfile"), "USAGE", /VHDX/, /convert/],
    ["LUKS", Buffer.from("LUKS\xba\xbe", "latin1"), "USAGE", /encrypted/, /Convert/],
    ["gzip", Buffer.from("1f8b08", "hex"), "USAGE", /gzip/, /Unpack/],
    ["an OVA", Buffer.concat([Buffer.alloc(257), Buffer.from("ustar")]), "USAGE", /OVA/, /tar/],
    ["a CD", Buffer.concat([Buffer.alloc(32_769), Buffer.from("CD001")]), "USAGE", /CD/, /Install/],
  ])("%s is refused", async (_, data, code, message, hint) => {
    const refused = await readSourceFile(await file(data), null).then(
      () => null,
      (error: unknown) => error as HomewardError,
    );
    expect(refused).toMatchObject({ code, message });
    expect(refused?.hint ?? "").toMatch(hint);
  });

  test("what is no file is refused without waiting", async () => {
    await expect(readSourceFile(dir, null)).rejects.toMatchObject({ code: "USAGE", message: expect.stringMatching(/is not a file/) as string });
    await expect(readSourceFile(join(dir, "none"), null)).rejects.toMatchObject({ code: "NOT_FOUND", hint: "Check the path." });
  });

  test("a tool is told every node, and follows no name that an image holds", () => {
    const of = (format: "qcow2" | "raw" | "vmdk" | "vdi"): unknown => sourceNode({ path: "/i", format, allocatedBytes: 1 });
    const at = { driver: "file", filename: "/i" };
    expect(of("qcow2")).toEqual({ driver: "qcow2", backing: null, file: at });
    expect(of("vmdk")).toEqual({ driver: "vmdk", backing: null, file: at });
    expect(of("vdi")).toEqual({ driver: "vdi", file: at });
    expect(of("raw")).toEqual({ driver: "raw", file: at });
  });
});
