import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, open, readdir, readFile, rename, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { GenerationCheck } from "../../service/generation-check.ts";
import { RunDirs } from "../../service/run-dirs.ts";
import type { GenerationRecord } from "../../service/store/generations-store.ts";
import { Store } from "../../service/store/store.ts";
import { BlockHashes, HashPool, MerkleTree, generationRoot, openFileBlocks } from "../../syncer/index.ts";
import { openDisk } from "../../vm/disk-blocks.ts";
import { createOverlay } from "../../vm/disk-image.ts";
import { machine as definition } from "../unit/store-fixtures.ts";

const MIB = 1024 * 1024;
const machine = { ...definition, memoryBytes: 16 * MIB, diskBytes: 4 * MIB };

let dir: string;
let store: Store;
let runDirs: RunDirs;
let pool: HashPool;
let generation: GenerationRecord;
let check: GenerationCheck;
/** In the middle of the disk, and findable in its image. */
const mark = randomBytes(4096);

function freshCheck(): GenerationCheck {
  const stopping = new AbortController().signal;
  return new GenerationCheck({ hostName: "far", store, runDirs, hashPool: pool, log: pino({ level: "silent" }), stopping });
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-check-"));
  pool = HashPool.create(2);
  store = await Store.open(join(dir, "state"), "far");
  runDirs = await RunDirs.open(store.paths, { runParent: dir, tmpfs: null });
  const parts = join(dir, "parts");
  await mkdir(parts);
  const path = (name: string): string => join(parts, name);
  const ramBytes = Buffer.alloc(16 * MIB);
  randomBytes(2 * MIB).copy(ramBytes, 5 * MIB);
  await writeFile(path("ram"), ramBytes);
  await writeFile(path("device"), randomBytes(5000));
  await createOverlay(path("disk"), [], machine.diskBytes);
  const runDir = join(dir, "nbd");
  await mkdir(runDir, { mode: 0o700 });
  const disk = await openDisk([path("disk")], { writable: true, runDir });
  await disk.write(700, Buffer.concat([mark, randomBytes(50 * 4096)]));
  await disk.flush();
  const ram = await openFileBlocks(path("ram"));
  const trees = { ram: await MerkleTree.build(ram, pool), disk: await MerkleTree.build(disk, pool) };
  await writeFile(path("ram.tree"), await trees.ram.encode());
  await writeFile(path("disk.tree"), await trees.disk.encode());
  await (await BlockHashes.build(path("ram.hashes"), ram, pool)).close();
  await (await BlockHashes.build(path("disk.hashes"), disk, pool)).close();
  await ram.close();
  await disk.close();
  const device = await readFile(path("device"));
  const content = {
    machine,
    ramRoot: trees.ram.root,
    diskRoot: trees.disk.root,
    deviceSha256: createHash("sha256").update(device).digest("hex"),
  };
  const root = generationRoot(content);
  const createdAt = "2026-01-01T00:00:00.000Z";
  generation = await store.generations.install({
    manifest: { format: 1, root, ...content, deviceBytes: device.length, parent: null, createdAt },
    ramPath: path("ram"),
    devicePath: path("device"),
    ramTreePath: path("ram.tree"),
    diskTreePath: path("disk.tree"),
    ramHashesPath: path("ram.hashes"),
    diskHashesPath: path("disk.hashes"),
    topLayer: path("disk"),
    below: [],
  });
  await rm(parts, { recursive: true });
});
afterAll(async () => {
  await pool.close();
  await store.close();
  await rm(dir, { recursive: true });
});
beforeEach(() => {
  check = freshCheck();
});

/** Changes one bit, which also changes the file's times. Undone by doing it again. */
async function flip(path: string, at: number): Promise<void> {
  await chmod(path, 0o600);
  const file = await open(path, "r+");
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  await file.write(Buffer.of((byte[0] ?? 0) ^ 0x10), 0, 1, at);
  await file.close();
}

/** How many blocks were read for this. */
async function blocksRead(work: (progress: { update(update: { done: number }): void }) => Promise<void>): Promise<number> {
  let most = 0;
  await work({ update: ({ done }) => (most = Math.max(most, done)) });
  return most;
}

test("what cannot be noted is looked at again, and leaves nothing behind", async () => {
  const { checked } = store.paths.generation(generation.root);
  await rm(checked, { force: true });
  await mkdir(join(checked, "in the way"), { recursive: true });
  await check.requireIntact(generation, { hint: "" });
  expect(await readdir(dirname(checked))).not.toContain("checked.new");
  await rm(checked, { recursive: true });
});

test("an intact generation is read as a whole once, and again when a file of it was touched", async () => {
  const look = (): Promise<number> =>
    blocksRead((progress) => check.requireIntact(generation, { hint: "", progress }));
  expect(await look()).toBe(machine.memoryBytes / 4096);
  expect(await look()).toBe(0);
  // What was found outlasts the service, not the computer's run: the note names it.
  check = freshCheck();
  expect(await look()).toBe(0);
  const now = new Date();
  await utimes(generation.layers[0] ?? "", now, now);
  expect(await look()).toBeGreaterThan(0);
  expect(await look()).toBe(0);
  const note = store.paths.generation(generation.root).checked;
  await writeFile(note, (await readFile(note, "utf8")).replaceAll(/[0-9a-f]{8}-/g, "00000000-"));
  expect(await look()).toBe(machine.memoryBytes / 4096);
  // A note that is cut off, or none: the same.
  await writeFile(note, `{"memory":`);
  expect(await look()).toBe(machine.memoryBytes / 4096);
});

test("whoever asks at the same time shares one look; one that is vouched for is not read", async () => {
  const note = store.paths.generation(generation.root).checked;
  await rm(note);
  const both = await Promise.all(
    [1, 2].map(() => blocksRead((progress) => check.requireIntact(generation, { hint: "", progress }))),
  );
  expect(both).toEqual([machine.memoryBytes / 4096, machine.memoryBytes / 4096]);
  await rm(note);
  await check.vouch(generation);
  expect(await blocksRead((progress) => check.requireIntact(generation, { hint: "", progress }))).toBe(0);
});

test("one bit that changed anywhere is found, and said where", async () => {
  const { ramPath, devicePath, ramTreePath, diskTreePath, layers } = generation;
  const layer = layers[0] ?? "";
  const inLayer = (await readFile(layer)).indexOf(mark) + 2000;
  expect(inLayer).toBeGreaterThan(2000);
  const cases: [string, number, RegExp][] = [
    [ramPath, 5 * MIB + 12_345, /the RAM of generation \w{12} on far is damaged/],
    // Where the memory was all zeroes.
    [ramPath, 15 * MIB, /the RAM of/],
    [devicePath, 4999, /the device state of/],
    [ramTreePath, 60, /hash tree of the RAM/],
    [diskTreePath, 20, /hash tree of the disk/],
    [layer, inLayer, /the disk of/],
    // The image's own tables: it cannot be opened, or shows something else.
    [layer, 40, /the disk of/],
  ];
  for (const [path, at, message] of cases) {
    await flip(path, at);
    const found = check.requireIntact(generation, { hint: "Do this." });
    await expect(found, `${path} at ${String(at)}`).rejects.toMatchObject({
      code: "DAMAGED",
      message: expect.stringMatching(message) as string,
      hint: "Do this.",
      data: { root: generation.root },
    });
    await flip(path, at);
    await check.requireIntact(generation, { hint: "" });
  }
});

test("a file that is missing or too short is found", async () => {
  for (const path of [generation.ramPath, generation.devicePath, generation.layers[0] ?? ""]) {
    await rename(path, `${path}.away`);
    await expect(check.requireIntact(generation, { hint: "" })).rejects.toMatchObject({
      code: "DAMAGED",
      message: expect.stringMatching(/missing/) as string,
    });
    await rename(`${path}.away`, path);
  }
  const whole = await readFile(generation.ramPath);
  await chmod(generation.ramPath, 0o600);
  await writeFile(generation.ramPath, whole.subarray(0, 8 * MIB));
  await expect(check.requireMemoryIntact(generation, { hint: "" })).rejects.toMatchObject({ code: "DAMAGED" });
  await writeFile(generation.ramPath, whole);
  await check.requireIntact(generation, { hint: "" });
});

test("block hashes that are missing or not those of the content are made anew", async () => {
  const paths = [generation.ramHashesPath, generation.diskHashesPath];
  const before = await Promise.all(paths.map((path) => readFile(path)));
  const damages: ((path: string) => Promise<void>)[] = [(path) => rm(path), (path) => flip(path, 0), (path) => truncate(path, 100)];
  for (const damage of damages) {
    await Promise.all(paths.map(damage));
    await check.requireIntact(generation, { hint: "" });
    const after = await Promise.all(paths.map((path) => readFile(path)));
    expect(after.every((content, i) => content.equals(before[i] ?? Buffer.alloc(0)))).toBe(true);
  }
  // The first hash of the RAM, which is looked at each time.
  await flip(generation.ramHashesPath, 32);
  await check.requireMemoryIntact(generation, { hint: "" });
  expect((await readFile(generation.ramHashesPath)).equals(before[0] ?? Buffer.alloc(0))).toBe(true);
});

test("can be given up", async () => {
  await rm(store.paths.generation(generation.root).checked);
  const stop = new AbortController();
  const looking = check.requireIntact(generation, { hint: "", signal: stop.signal });
  stop.abort();
  await expect(looking).rejects.toMatchObject({ code: "CANCELLED" });
  await check.idle();
});
