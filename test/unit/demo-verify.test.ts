import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { noProgress } from "../../common/progress.ts";
import { chainName, latestPercent } from "../../demo/verify/compare-disks.ts";
import { compareFiles, type FileComparison } from "../../demo/verify/compare-files.ts";
import { readStoredGeneration } from "../../demo/verify/stored-generation.ts";
import { upgradeSchema } from "../../service/store/schema.ts";
import { machine } from "./store-fixtures.ts";

const MIB = 1024 * 1024;
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-verify-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

async function compare(first: Buffer, second: Buffer): Promise<FileComparison> {
  const [a, b] = [join(dir, "a"), join(dir, "b")];
  await writeFile(a, first);
  await writeFile(b, second);
  return compareFiles(a, b, "memory", noProgress, new AbortController().signal);
}

describe("compareFiles", () => {
  it("finds equal files equal, whatever their size", async () => {
    for (const size of [0, 1, 4 * MIB, 4 * MIB + 1, 9 * MIB]) {
      const data = Buffer.alloc(size, "homeward");
      expect(await compare(data, Buffer.from(data))).toEqual({ identical: true, bytes: size, firstDifference: null });
    }
  });

  it.each([0, 5, 4 * MIB - 1, 4 * MIB, 9 * MIB - 1])("finds one wrong byte at %d", async (at) => {
    const first = Buffer.alloc(9 * MIB, 1);
    const second = Buffer.from(first);
    second[at] = 2;
    expect(await compare(first, second)).toEqual({ identical: false, bytes: at, firstDifference: at });
  });

  it("finds a missing end", async () => {
    const data = Buffer.alloc(5 * MIB, 1);
    const short = data.subarray(0, 5 * MIB - 1);
    expect((await compare(data, short)).firstDifference).toBe(5 * MIB - 1);
    expect((await compare(short, data)).firstDifference).toBe(5 * MIB - 1);
    expect((await compare(data, Buffer.alloc(0))).identical).toBe(false);
  });
});

describe("disks", () => {
  it("names every layer of a chain itself, and ends it", () => {
    const name = chainName(["/a/top.qcow2", "/a/base.qcow2"]);
    expect(JSON.parse(name.replace(/^json:/, ""))).toEqual({
      driver: "qcow2",
      file: { driver: "file", filename: "/a/top.qcow2" },
      backing: { driver: "qcow2", file: { driver: "file", filename: "/a/base.qcow2" }, backing: null },
    });
  });

  it("reads qemu-img's progress", () => {
    expect(latestPercent("    (0.00/100%)\r    (12.34/100%)\r")).toBe(12.34);
    expect(latestPercent("Images are identical.")).toBeUndefined();
  });
});

describe("readStoredGeneration", () => {
  const root = "ab".repeat(32);
  const manifest = {
    format: 1,
    root,
    machine,
    ramRoot: "01".repeat(32),
    diskRoot: "02".repeat(32),
    deviceSha256: "03".repeat(32),
    deviceBytes: 4096,
    parent: null,
    createdAt: "2026-01-02T03:04:05.000Z",
  };

  /** A state folder as the service's own schema lays it out. */
  async function stateFolder(layers: readonly string[]): Promise<void> {
    await mkdir(join(dir, "generations", root), { recursive: true });
    await writeFile(join(dir, "generations", root, "generation.json"), JSON.stringify(manifest));
    const db = new DatabaseSync(join(dir, "homeward.db"));
    upgradeSchema(db);
    db.prepare("INSERT INTO generations (root, manifest, created_at) VALUES (?, '{}', 'now')").run(root);
    for (const [position, layer] of layers.entries()) {
      db.prepare("INSERT INTO layers VALUES (?, 1, 'now')").run(layer);
      db.prepare("INSERT INTO generation_layers VALUES (?, ?, ?)").run(root, position, layer);
    }
    db.close();
  }

  it("finds the files of a generation, layers top first", async () => {
    await stateFolder(["top", "base"]);
    const found = await readStoredGeneration(dir, root);
    expect(found.layers).toEqual([join(dir, "layers", "top.qcow2"), join(dir, "layers", "base.qcow2")]);
    expect(found.ram).toBe(join(dir, "generations", root, "ram"));
    expect(found.manifest.machine.memoryBytes).toBe(machine.memoryBytes);
  });

  it("refuses a generation without a disk", async () => {
    await stateFolder([]);
    await expect(readStoredGeneration(dir, root)).rejects.toThrow(/lists no disk/);
  });
});
