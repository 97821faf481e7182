import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { run } from "../../common/spawn.ts";
import { openDisk, type DiskBlocks, type Extent } from "../../vm/disk-blocks.ts";
import { chainFileName } from "../../vm/disk-chain.ts";
import { convertImage, createOverlay, imageVirtualBytes, mergeLayers } from "../../vm/disk-image.ts";
import { readProcess } from "../../vm/process-identity.ts";
import { checkForeignLayer } from "../../vm/foreign-layer.ts";

const BLOCK = 4096;
const MIB = 1_048_576;
const DISK_BYTES = 16 * MIB;

let dir: string;
let base: string;
const opened: DiskBlocks[] = [];

beforeEach(async () => {
  // A comma and a space, which tools with option strings stumble over.
  dir = await mkdtemp(join(tmpdir(), "hw, disk-"));
  base = join(dir, "base.qcow2");
  await createOverlay(base, [], DISK_BYTES);
});

afterEach(async () => {
  for (const disk of opened.splice(0)) await disk.close();
  await rm(dir, { recursive: true, force: true });
});

async function open(layers: readonly string[], writable: boolean): Promise<DiskBlocks> {
  const disk = await openDisk(layers, { writable, runDir: dir });
  opened.push(disk);
  return disk;
}

/** Writes with `change`, then closes. */
async function edit(layers: readonly string[], change: (disk: DiskBlocks) => Promise<void>): Promise<void> {
  const disk = await openDisk(layers, { writable: true, runDir: dir });
  try {
    await change(disk);
    await disk.flush();
  } finally {
    await disk.close();
  }
}

async function overlay(name: string, below: readonly string[]): Promise<string> {
  const path = join(dir, `${name}.qcow2`);
  await createOverlay(path, below, DISK_BYTES);
  return path;
}

async function list<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function node(layers: readonly string[]): string {
  return chainFileName(layers, { writable: false, flush: "safe" });
}

async function expectSameContent(left: readonly string[], right: readonly string[]): Promise<void> {
  const { stdout } = await run("qemu-img", ["compare", node(left), node(right)]);
  expect(stdout.toString()).toContain("identical");
}

describe("a disk's blocks", () => {
  test("an overlay tells exactly which 4 KiB blocks were written and which discarded", async () => {
    await edit([base], (disk) => disk.write(0, randomBytes(64 * BLOCK)));
    const top = await overlay("top", [base]);
    await edit([top, base], async (disk) => {
      await disk.write(5, randomBytes(BLOCK));
      await disk.writeZeroes(40, 1);
      await disk.write(1000, randomBytes(3 * BLOCK));
    });
    const disk = await open([top, base], false);
    const expected: Extent[] = [
      { block: 5, count: 1, kind: "data" },
      { block: 40, count: 1, kind: "zero" },
      { block: 1000, count: 3, kind: "data" },
    ];
    expect(await list(disk.allocated())).toEqual(expected);
    const anywhere = (await list(disk.allocatedAnywhere())).map(({ block, count }) => [block, count]);
    expect(anywhere).toEqual([
      [0, 40],
      [41, 23],
      [1000, 3],
    ]);
  });

  test("what is written is read back, across request limits and with several calls at a time", async () => {
    const content = randomBytes(3 * MIB);
    const disk = await open([base], true);
    await Promise.all([disk.write(100, content), disk.write(2000, content.subarray(0, 7 * BLOCK))]);
    const pieces = Array.from({ length: 40 }, (_, i) => disk.read(100 + i * 19, 19));
    expect(Buffer.concat(await Promise.all(pieces)).equals(content.subarray(0, 40 * 19 * BLOCK))).toBe(true);
    expect((await disk.read(100, content.length / BLOCK)).equals(content)).toBe(true);
    const around = await disk.read(1999, 9);
    expect(around.subarray(BLOCK, 8 * BLOCK).equals(content.subarray(0, 7 * BLOCK))).toBe(true);
    expect(around.subarray(0, BLOCK).every((byte) => byte === 0)).toBe(true);
  });

  test("blocks of zeros take no room", async () => {
    const top = await overlay("top", [base]);
    await edit([top, base], (disk) => disk.write(8, Buffer.alloc(BLOCK)));
    const disk = await open([top, base], false);
    expect(await list(disk.allocated())).toEqual([{ block: 8, count: 1, kind: "zero" }]);
  });

  test("a read-only disk refuses to be written, and goes on", async () => {
    const disk = await open([base], false);
    await expect(disk.write(0, randomBytes(BLOCK))).rejects.toMatchObject({ code: "GUEST" });
    expect(await disk.read(0, 1)).toHaveLength(BLOCK);
  });

  test("a range outside the disk is refused", async () => {
    const disk = await open([base], false);
    await expect(disk.read(DISK_BYTES / BLOCK, 1)).rejects.toMatchObject({ code: "INTERNAL" });
  });

  test("a disk that is being written cannot be opened a second time", async () => {
    await open([base], true);
    await expect(openDisk([base], { writable: true, runDir: dir })).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(openDisk([base], { writable: false, runDir: dir })).rejects.toMatchObject({ code: "CONFLICT" });
  });

  test("the signal closes it, and calls say so", async () => {
    const controller = new AbortController();
    const disk = await openDisk([base], { writable: false, runDir: dir, signal: controller.signal });
    opened.push(disk);
    const reading = disk.read(0, 1024);
    controller.abort();
    await expect(reading).rejects.toMatchObject({ code: "CANCELLED" });
    await expect(disk.read(0, 1)).rejects.toMatchObject({ code: "CANCELLED" });
  });

  test("closing leaves no socket behind", async () => {
    const disk = await openDisk([base], { writable: false, runDir: dir });
    await disk.close();
    expect(await readdir(dir)).toEqual(["base.qcow2"]);
  });

  test("the backing name in a header is not followed", async () => {
    const secret = join(dir, "secret");
    await writeFile(secret, randomBytes(MIB));
    const evil = join(dir, "evil.qcow2");
    await run("qemu-img", ["create", "-q", "-f", "qcow2", "-b", secret, "-F", "raw", evil]);
    const disk = await open([evil], false);
    expect((await disk.read(0, 256)).every((byte) => byte === 0)).toBe(true);
  });

  test("an image that keeps its data in another file is refused", async () => {
    const evil = join(dir, "evil.qcow2");
    const options = `data_file=${join(dir, "other").replaceAll(",", ",,")}`;
    await run("qemu-img", ["create", "-q", "-f", "qcow2", "-o", options, evil, "1M"]);
    await expect(openDisk([evil], { writable: false, runDir: dir })).rejects.toMatchObject({ code: "USAGE" });
  });
});

describe("disk images", () => {
  test("merged layers have the same content and hold only what was above the base", async () => {
    await edit([base], (disk) => disk.write(0, randomBytes(MIB)));
    const middle = await overlay("middle", [base]);
    await edit([middle, base], async (disk) => {
      await disk.write(10, randomBytes(20 * BLOCK));
      await disk.writeZeroes(100, 50);
      await disk.write(700, randomBytes(2 * MIB));
    });
    const top = await overlay("top", [middle, base]);
    await edit([top, middle, base], async (disk) => {
      await disk.write(12, randomBytes(2 * BLOCK));
      await disk.write(120, randomBytes(BLOCK));
      await disk.writeZeroes(15, 1);
    });
    const merged = join(dir, "merged.qcow2");
    await mergeLayers([top, middle, base], merged, { runDir: dir });
    await expectSameContent([top, middle, base], [merged, base]);
    const disk = await open([merged, base], false);
    expect(await list(disk.allocated())).toEqual([
      { block: 10, count: 5, kind: "data" },
      { block: 15, count: 1, kind: "zero" },
      { block: 16, count: 14, kind: "data" },
      { block: 100, count: 20, kind: "zero" },
      { block: 120, count: 1, kind: "data" },
      { block: 121, count: 29, kind: "zero" },
      { block: 700, count: 512, kind: "data" },
    ]);
  });

  test("merging that is stopped leaves nothing", async () => {
    const top = await overlay("top", [base]);
    const before = await readdir(dir);
    const merging = mergeLayers([top, base], join(dir, "merged"), { runDir: dir, signal: AbortSignal.abort() });
    await expect(merging).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await readdir(dir)).toEqual(before);
  });

  test("a raw and a qcow2 image are converted; a layer of another image is refused", async () => {
    const raw = join(dir, "raw");
    await writeFile(raw, randomBytes(2 * MIB));
    await truncate(raw, DISK_BYTES);
    const flat = join(dir, "flat.qcow2");
    const percent: number[] = [];
    await convertImage(raw, flat, { progress: { update: ({ done }) => percent.push(done) } });
    const { stdout } = await run("qemu-img", ["compare", "-f", "raw", "-F", "qcow2", raw, flat]);
    expect(stdout.toString()).toContain("identical");
    expect(percent.at(-1)).toBe(100);
    expect((await stat(flat)).mode & 0o777).toBe(0o600);
    const again = join(dir, "again.qcow2");
    await convertImage(flat, again);
    await expectSameContent([flat], [again]);
    expect(await imageVirtualBytes(again)).toBe(DISK_BYTES);

    const layer = join(dir, "layer.qcow2");
    await run("qemu-img", ["create", "-q", "-f", "qcow2", "-b", flat, "-F", "qcow2", layer]);
    await expect(convertImage(layer, join(dir, "x"))).rejects.toMatchObject({ code: "USAGE" });
  });

  test("an overlay never replaces a file, and never cuts off the layer below", async () => {
    const top = await overlay("top", [base]);
    await expect(createOverlay(top, [base], DISK_BYTES)).rejects.toMatchObject({ code: "CONFLICT" });
    const small = createOverlay(join(dir, "small"), [base], DISK_BYTES / 2);
    await expect(small).rejects.toMatchObject({ code: "DAMAGED" });
    expect(await readdir(dir)).toEqual(["base.qcow2", "top.qcow2"]);
  });

  test("a layer may be read-only in the file system", async () => {
    const top = await overlay("top", [base]);
    await chmod(base, 0o400);
    await chmod(top, 0o400);
    const disk = await open([top, base], false);
    expect(disk.blocks).toBe(DISK_BYTES / BLOCK);
  });
});

test("a program that reads disks ends with who started it, also before they have met", async () => {
  const module = new URL("../../vm/disk-blocks.ts", import.meta.url).href;
  const script = `
    const { readFileSync } = await import("node:fs");
    const { openDisk } = await import(${JSON.stringify(module)});
    openDisk(${JSON.stringify([base])}, { writable: false, runDir: ${JSON.stringify(dir)} });
    const children = \`/proc/self/task/\${process.pid}/children\`;
    const look = () => (readFileSync(children, "utf8") === "" ? setImmediate(look) : process.kill(process.pid, "SIGKILL"));
    look();`;
  for (let i = 0; i < 3; i++) await expect(run(process.execPath, ["--input-type=module", "-e", script])).rejects.toThrow("SIGKILL");
  const readers = async (): Promise<unknown[]> => {
    const found = await Promise.all((await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map((pid) => readProcess(Number(pid))));
    return found.filter((each) => each?.args.some((arg) => arg.startsWith(`--socket=${dir}/`)));
  };
  await expect.poll(readers, { timeout: 20_000 }).toEqual([]);
});

describe("a layer that another host sent", () => {
  test("is taken as it was made, written to, copied or merged here", async () => {
    await edit([base], (disk) => disk.write(0, randomBytes(2 * MIB)));
    const top = await overlay("top", [base]);
    await edit([top, base], (disk) => disk.writeZeroes(100, 50));
    const [copy, merged] = [join(dir, "copy.qcow2"), join(dir, "merged.qcow2")];
    await convertImage(base, copy);
    await mergeLayers([top, base], merged, { runDir: dir });
    for (const path of [base, top, copy, merged]) await expect(checkForeignLayer(path, DISK_BYTES)).resolves.toBeUndefined();
  });

  test.each<[string, readonly string[], RegExp]>([
    ["a backing file", ["-b", "base.qcow2", "-F", "qcow2"], /backing file/],
    ["a backing file that is no path", ["-u", "-b", "nbd://127.0.0.1:1/x", "-F", "raw"], /backing file/],
    ["a data file", ["-o", "data_file=data.raw"], /another file/],
    ["zstd in it", ["-o", "compression_type=zstd"], /features/],
    ["lazy reference counts", ["-o", "lazy_refcounts=on"], /features/],
    ["an older version", ["-o", "compat=0.10"], /version/],
    ["a larger disk", [], /disk of/],
  ])("is refused with %s", async (what, args, why) => {
    const bytes = what === "a larger disk" ? DISK_BYTES + MIB : DISK_BYTES;
    const path = join(dir, "foreign.qcow2");
    await run("qemu-img", ["create", "-q", "-f", "qcow2", ...args, "foreign.qcow2", String(bytes)], { cwd: dir });
    await expect(checkForeignLayer(path, DISK_BYTES)).rejects.toThrow(why);
  });

  test("is refused with a snapshot or a bitmap in it", async () => {
    await run("qemu-img", ["snapshot", "-c", "one", base]);
    await expect(checkForeignLayer(base, DISK_BYTES)).rejects.toThrow(/snapshots/);
    const other = await overlay("other", []);
    await run("qemu-img", ["bitmap", "--add", other, "b0"]);
    await expect(checkForeignLayer(other, DISK_BYTES)).rejects.toThrow(/features/);
  });
});
