import { randomFillSync } from "node:crypto";
import { chmod, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  applyDelta,
  Bitmap,
  BlockHashes,
  copyFileSparse,
  dirtyBlocks,
  encodeDelta,
  generationRoot,
  HashPool,
  openFileBlocks,
  type GenerationParts,
} from "../../syncer/index.ts";
import { BLOCK_BYTES, type BlockDevice } from "../../syncer/block-device.ts";
import { deltaPieces } from "../../syncer/delta-pieces.ts";
import { readRuns } from "../../syncer/pieces.ts";
import { Lab, randomBlock, seeded, withoutFile } from "./residual-machines.ts";
import { machine } from "./store-fixtures.ts";

let pool: HashPool;
let lab: Lab;
beforeAll(() => {
  pool = HashPool.create(2);
});
afterAll(() => pool.close());
beforeEach(async () => {
  lab = await Lab.create(pool);
});
afterEach(() => lab.close());

describe("a bitmap", () => {
  test.each([1, 7, 8, 9, 64, 1000, 1003])("of %i blocks has the runs that were set", (blocks) => {
    const random = seeded(blocks);
    const bitmap = new Bitmap(blocks);
    const set = new Set<number>();
    for (let i = 0; i < 12; i++) {
      const block = random(blocks);
      const count = 1 + random(Math.min(60, blocks - block));
      bitmap.setRange(block, count);
      for (let n = block; n < block + count; n++) set.add(n);
    }
    const runs = [...bitmap.runs()];
    const listed = runs.flatMap(({ block, count }) => Array.from({ length: count }, (_, i) => block + i));
    expect(listed).toEqual([...set].sort((a, b) => a - b));
    expect(bitmap.count()).toBe(set.size);
    for (const [i, run] of runs.entries())
      expect(run.block).toBeGreaterThan(i === 0 ? -1 : (runs[i - 1]?.block ?? 0) + (runs[i - 1]?.count ?? 0));
    const half = new Bitmap(blocks);
    half.setRange(0, blocks >>> 1);
    expect(bitmap.union(half).without(half).count()).toBe([...set].filter((n) => n >= blocks >>> 1).length);
  });

  test("refuses blocks that it does not have", () => {
    const bitmap = new Bitmap(10);
    expect(() => {
      bitmap.set(10);
    }).toThrow();
    expect(() => {
      bitmap.setRange(8, 3);
    }).toThrow();
  });
});

describe("dirty blocks", () => {
  test("are those that differ, from a file or through reads, within the candidates", async () => {
    const random = seeded(1);
    const before = randomFillSync(Buffer.alloc(3000 * 4096));
    const after = Buffer.from(before);
    const changed = new Set<number>([0, 2999]);
    while (changed.size < 300) changed.add(random(3000));
    for (const block of changed) {
      const at = block * 4096 + random(4096);
      after[at] = (after[at] ?? 0) ^ 1;
    }
    const base = await lab.device("base", before);
    const current = await lab.device("current", after);
    const expected = [...changed].sort((a, b) => a - b);
    const listed = (dirty: Bitmap): number[] => Array.from({ length: 3000 }, (_, i) => i).filter((i) => dirty.has(i));
    expect(listed(await dirtyBlocks(current, base, pool))).toEqual(expected);
    expect(listed(await dirtyBlocks(withoutFile(current), withoutFile(base), pool))).toEqual(expected);
    const candidates = [
      { block: 2990, count: 10 },
      { block: 0, count: 1000 },
    ];
    for (const left of [current, withoutFile(current)])
      expect(listed(await dirtyBlocks(left, base, pool, { candidates }))).toEqual(
        expected.filter((block) => block < 1000 || block >= 2990),
      );
  });

  test("of devices of different sizes are refused", async () => {
    const [a, b] = [await lab.device("a", Buffer.alloc(4096)), await lab.device("b", Buffer.alloc(8192))];
    await expect(dirtyBlocks(a, b, pool)).rejects.toMatchObject({ code: "DAMAGED" });
  });
});

describe("the hash pool", () => {
  test("reports a file that became shorter, and goes on", async () => {
    const device = await lab.device("device", Buffer.alloc(100 * 4096, 1));
    await truncate(lab.path("device"), 50 * 4096);
    const piece = { kind: "file" as const, fd: device.fd, runs: [{ block: 40, count: 20 }] };
    await expect(pool.hashBlocks(piece)).rejects.toMatchObject({ code: "DAMAGED" });
    expect(await pool.hashBlocks({ kind: "data", data: Buffer.alloc(8192) })).toEqual(new Uint8Array(16));
  });

  test("rejects what is not done when it is closed", async () => {
    const own = HashPool.create(1);
    const jobs = Array.from({ length: 10 }, () => own.hashLeaves({ kind: "data", data: Buffer.alloc(1 << 20) }));
    const results = Promise.allSettled(jobs);
    await own.close();
    expect((await results).at(-1)).toMatchObject({ status: "rejected", reason: { code: "CANCELLED" } });
    await expect(own.hashBlocks({ kind: "data", data: Buffer.alloc(4096) })).rejects.toMatchObject({ code: "CANCELLED" });
  });
});

describe("block hashes", () => {
  test("of a changed device are the same whether updated or built", async () => {
    const random = seeded(2);
    const data = Buffer.alloc(70_000 * 4096);
    for (let i = 0; i < 300; i++) randomBlock(random).copy(data, random(70_000) * 4096);
    const before = lab.keep(await BlockHashes.build(lab.path("before"), await lab.device("one", data), pool));
    const dirty = new Bitmap(70_000);
    for (let i = 0; i < 200; i++) {
      const block = random(70_000);
      dirty.set(block);
      if (i % 3 === 0) data.fill(0, block * 4096, (block + 1) * 4096);
      else randomBlock(random).copy(data, block * 4096);
    }
    const changed = await lab.device("two", data);
    const updated = lab.keep(await before.update(lab.path("updated"), changed, dirty, pool));
    const built = lab.keep(await BlockHashes.build(lab.path("built"), changed, pool));
    expect((await readFile(lab.path("updated"))).equals(await readFile(lab.path("built")))).toBe(true);
    expect(updated.nonZero).toBe(built.nonZero);
    expect(built.blocks).toBe(70_000);
    let nonZero = 0;
    for await (const { hashes } of built.stretches())
      for (let at = 0; at < hashes.length; at += 8) if (hashes.subarray(at, at + 8).some((byte) => byte !== 0)) nonZero++;
    expect(nonZero).toBe(built.nonZero);
    // Mostly zeroes: the file has holes.
    const { blocks } = await stat(lab.path("built"));
    expect(blocks * 512).toBeLessThan(70_000 * 8 + 8192);
  });

  test("are refused when their file is damaged", async () => {
    const built = await BlockHashes.build(lab.path("h"), await lab.device("one", Buffer.alloc(40_960, 5)), pool);
    await built.close();
    const good = await readFile(lab.path("h"));
    const boasting = Buffer.from(good);
    boasting.writeBigUInt64BE(11n, 16);
    for (const bad of [boasting, good.subarray(0, 20), good.subarray(0, -1), Buffer.concat([good, good]), Buffer.alloc(0)]) {
      await writeFile(lab.path("h"), bad);
      await expect(BlockHashes.open(lab.path("h"))).rejects.toMatchObject({ code: "DAMAGED" });
    }
    await expect(BlockHashes.open(lab.path("nowhere"))).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("a sparse copy", () => {
  test("is equal, leaves zeroes out and is writable though its source is not", async () => {
    const data = Buffer.alloc(9 * 1024 * 1024 + 4096);
    randomFillSync(data, 3_000_000, 100_000);
    randomFillSync(data, 8 * 1024 * 1024 + 100, 1);
    await writeFile(lab.path("from"), data);
    await chmod(lab.path("from"), 0o400);
    const seen: number[] = [];
    await copyFileSparse(lab.path("from"), lab.path("to"), { progress: { update: ({ done }) => seen.push(done) } });
    expect((await readFile(lab.path("to"))).equals(data)).toBe(true);
    const { mode, blocks } = await stat(lab.path("to"));
    expect(mode & 0o777).toBe(0o600);
    expect(blocks * 512).toBeLessThan(data.length);
    if (seen.length > 0) expect(seen.at(-1)).toBe(data.length);
    await expect(copyFileSparse(lab.path("from"), lab.path("to"))).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(copyFileSparse(lab.path("from"), lab.path("b"), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "CANCELLED",
    });
    await expect(stat(lab.path("b"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});

test("runs that lie close together are read with one call", async () => {
  const content = Buffer.alloc(400 * BLOCK_BYTES);
  for (let block = 0; block < 400; block++) content.fill(block % 251, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
  const calls: (readonly [number, number])[] = [];
  const device: BlockDevice = {
    blocks: 400,
    read: (block, count) => {
      calls.push([block, count]);
      return Promise.resolve(Buffer.from(content.subarray(block * BLOCK_BYTES, (block + count) * BLOCK_BYTES)));
    },
  };
  const runs = [
    ...[{ block: 0, count: 1 }, { block: 9, count: 2 }, { block: 12, count: 1 }, { block: 100, count: 60 }],
    ...[{ block: 163, count: 1 }, { block: 165, count: 1 }, { block: 300, count: 100 }],
  ];
  const wanted = runs.map(({ block, count }) => content.subarray(block * BLOCK_BYTES, (block + count) * BLOCK_BYTES));
  expect((await readRuns(device, runs)).equals(Buffer.concat(wanted))).toBe(true);
  expect(calls).toEqual([[0, 13], [100, 64], [165, 1], [300, 100]]);
});

describe("a device-state delta", () => {
  test("is small, exact and refuses another base", async () => {
    const base = randomFillSync(Buffer.alloc(3_000_000));
    const target = Buffer.concat([base.subarray(0, 1_000_000), Buffer.from("changed"), base.subarray(1_000_004)]);
    await writeFile(lab.path("base"), base);
    await writeFile(lab.path("target"), target);
    const delta = await encodeDelta(lab.path("target"), lab.path("base"));
    expect(delta.length).toBeLessThan(1000);
    await applyDelta(delta, lab.path("base"), lab.path("out"));
    expect((await readFile(lab.path("out"))).equals(target)).toBe(true);
    expect((await stat(lab.path("out"))).mode & 0o777).toBe(0o600);
    await expect(applyDelta(delta, null, lab.path("out"))).rejects.toMatchObject({ code: "PEER" });
    await expect(applyDelta(delta, lab.path("target"), lab.path("out"))).rejects.toMatchObject({ code: "PEER" });
    const alone = await encodeDelta(lab.path("target"), null, 3);
    await applyDelta(alone, null, lab.path("out2"));
    expect((await readFile(lab.path("out2"))).equals(target)).toBe(true);
  });

  test("of a state with a large picture in it finds everything, also behind what grew", async () => {
    const [picture, rest] = [randomFillSync(Buffer.alloc(4_300_000)), randomFillSync(Buffer.alloc(300_000))];
    await writeFile(lab.path("base"), Buffer.concat([picture, rest]));
    await writeFile(lab.path("target"), Buffer.concat([Buffer.alloc(300_000, 7), picture.subarray(0, 4_200_000), rest]));
    const delta = await encodeDelta(lab.path("target"), lab.path("base"));
    expect(delta.length).toBeLessThan(3000);
    await applyDelta(delta, lab.path("base"), lab.path("out"));
    expect((await readFile(lab.path("out"))).equals(await readFile(lab.path("target")))).toBe(true);
  });

  test("has pieces that follow each other, each with the same stretch of the base", () => {
    const mib = 1024 * 1024;
    for (const bytes of [0, 1, 3 * mib, 4 * mib - 1, 4 * mib, 5.3 * mib, 9 * mib + 7, 100 * mib, 256 * mib]) {
      const pieces = deltaPieces(Math.floor(bytes), Math.floor(bytes));
      expect(pieces[0]?.at).toBe(0);
      pieces.forEach(({ at, length, baseAt, baseLength }, i) => {
        expect(length).toBeLessThan(4 * mib);
        expect(baseLength).toBeLessThanOrEqual(4 * mib - 64 * 1024);
        expect(at + length).toBe(pieces[i + 1]?.at ?? Math.floor(bytes));
        expect(baseAt).toBeLessThanOrEqual(at);
        if (bytes >= 4 * mib || bytes < 3.9 * mib) expect(baseAt + baseLength).toBeGreaterThanOrEqual(at + length);
      });
    }
    expect(deltaPieces(10 * mib, 0).every(({ baseLength }) => baseLength === 0)).toBe(true);
    const [first, ...others] = deltaPieces(mib, 10 * mib);
    expect(first).toMatchObject({ at: 0, baseAt: 0 });
    expect((others.at(-1)?.baseAt ?? 0) + (others.at(-1)?.baseLength ?? 0)).toBe(10 * mib);
  });

  test("is refused when it is damaged", async () => {
    const text = Buffer.from("device state ".repeat(500));
    await writeFile(lab.path("base"), text);
    await writeFile(lab.path("target"), Buffer.concat([text, Buffer.from("!"), text]));
    const delta = await encodeDelta(lab.path("target"), lab.path("base"));
    const random = seeded(3);
    const damaged = [
      ...Array.from({ length: delta.length }, (_, cut) => delta.subarray(0, cut)),
      ...Array.from({ length: delta.length }, (_, at) => {
        const flipped = Buffer.from(delta);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << random(8));
        return flipped;
      }),
    ];
    for (const bad of damaged) {
      const result = await applyDelta(bad, lab.path("base"), lab.path("out")).catch((error: unknown) => error);
      // What no length gives away, the caller's SHA-256 does.
      if (result !== undefined) expect(result).toMatchObject({ code: expect.stringMatching(/^(DAMAGED|PEER)$/) as string });
    }
  });
});

describe("a generation's root", () => {
  const definition = { ...machine, memoryBytes: 134_217_728, diskBytes: 67_108_864 };
  const parts: GenerationParts = {
    machine: definition,
    ramRoot: "a".repeat(64),
    diskRoot: "b".repeat(64),
    deviceSha256: "c".repeat(64),
  };

  test("has a golden value, whatever the order of the fields", () => {
    const reversed = Object.fromEntries(Object.entries(definition).reverse()) as unknown as GenerationParts["machine"];
    expect(generationRoot({ ...parts, machine: reversed })).toBe(generationRoot(parts));
    expect(generationRoot(parts)).toBe("3660ebe7ca0ddd310bceb00b218d361d346f370888d0e046beca63a53b298d66");
  });

  test("changes with every part", () => {
    const roots = [
      parts,
      { ...parts, ramRoot: parts.diskRoot },
      { ...parts, ramRoot: parts.diskRoot, diskRoot: parts.ramRoot },
      { ...parts, deviceSha256: "d".repeat(64) },
      { ...parts, machine: { ...definition, append: "" } },
      { ...parts, machine: { ...definition, cpuModel: "qemu64" } },
      { ...parts, machine: { ...definition, memoryBytes: 0 } },
    ].map(generationRoot);
    expect(new Set(roots).size).toBe(roots.length);
  });
});

test("a file that is no whole number of blocks is refused", async () => {
  await writeFile(lab.path("odd"), Buffer.alloc(5000));
  await expect(openFileBlocks(lab.path("odd"))).rejects.toMatchObject({ code: "DAMAGED" });
  await expect(openFileBlocks(lab.path("nowhere"))).rejects.toMatchObject({ code: "NOT_FOUND" });
});
