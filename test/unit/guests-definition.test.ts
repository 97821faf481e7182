import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { formatGuestDefinition, parseGuestDefinition, readGuestDefinition } from "../../guests/definition.ts";
import type { GuestDefinition } from "../../guests/definition.ts";

const GOOD: GuestDefinition = {
  name: "tiny",
  format: 1,
  memoryMiB: 128,
  cpus: 1,
  kernel: "kernel",
  initrd: "initrd",
  append: "root=/dev/vda quiet",
  disk: { file: "disk.qcow2", bytes: 67_108_864 },
  display: { width: 720, height: 400 },
  description: "a guest",
};

describe("guest.json", () => {
  it("comes back as it was written", () => {
    expect(parseGuestDefinition(formatGuestDefinition(GOOD))).toEqual(GOOD);
  });

  const damaged: readonly [what: string, text: string, message: RegExp][] = [
    ["cut off", formatGuestDefinition(GOOD).slice(0, 80), /not JSON/],
    ["empty", "", /not JSON/],
    ["another format", JSON.stringify({ ...GOOD, format: 2 }), /format/],
    ["an unknown guest", JSON.stringify({ ...GOOD, name: "large" }), /name/],
    ["a kernel elsewhere", JSON.stringify({ ...GOOD, kernel: "../../etc/passwd" }), /kernel/],
    ["a disk elsewhere", JSON.stringify({ ...GOOD, disk: { file: "/dev/sda", bytes: 4_194_304 } }), /disk/],
    ["a disk of half a block", JSON.stringify({ ...GOOD, disk: { file: "disk.qcow2", bytes: 4_194_305 } }), /bytes/],
    ["no memory", JSON.stringify({ ...GOOD, memoryMiB: 0 }), /memoryMiB/],
    ["a field nobody knows", JSON.stringify({ ...GOOD, extra: 1 }), /extra/],
    ["a field missing", JSON.stringify({ ...GOOD, append: undefined }), /append/],
    ["far too large", JSON.stringify({ ...GOOD, description: "x".repeat(100_000) }), /too large/],
  ];
  for (const [what, text, message] of damaged) {
    it(`is refused when it is damaged: ${what}`, () => {
      expect(() => parseGuestDefinition(text)).toThrow(expect.objectContaining({ code: "DAMAGED" }));
      expect(() => parseGuestDefinition(text)).toThrow(message);
    });
  }
});

describe("readGuestDefinition", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "homeward-guest-"));
  });
  afterEach(async () => {
    await rm(dir, { recursive: true });
  });

  it("reads the folder's guest.json", async () => {
    await writeFile(join(dir, "guest.json"), formatGuestDefinition(GOOD));
    expect(await readGuestDefinition(dir)).toEqual(GOOD);
  });

  it("says NOT_FOUND for a folder that is no guest", async () => {
    await expect(readGuestDefinition(dir)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
