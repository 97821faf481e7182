import { hash } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { HashPool } from "../../syncer/index.ts";
import { exchange, Lab, randomBlock, randomState, seeded, worked, type Random, type State } from "./residual-machines.ts";

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

function expectArrived(arrived: State, current: State): void {
  expect(arrived.ram.equals(current.ram)).toBe(true);
  expect(arrived.disk.equals(current.disk)).toBe(true);
}

/** Two different 512-byte parts whose SHA-1 begins with the same two bytes. */
function collidingParts(random: Random): [Buffer, Buffer] {
  const seen = new Map<string, Buffer>();
  for (;;) {
    const part = randomBlock(random).subarray(0, 512);
    const prefix = hash("sha1", part).slice(0, 4);
    const other = seen.get(prefix);
    if (other !== undefined) return [part, other];
    seen.set(prefix, part);
  }
}

describe("a residual exchange", () => {
  test.each(Array.from({ length: 8 }, (_, seed) => seed))("with a twin is exact (seed %i)", async (seed) => {
    const random = seeded(seed);
    const base = randomState(random, 50 + random(200), 50 + random(200));
    const twin = worked(random, base, 0.3);
    const current = worked(random, base, random(10) / 10, [twin]);
    const { arrived, source, sink, refetched } = await exchange(lab, { base, current, twin });
    expectArrived(arrived, current);
    expect(refetched).toBe(0);
    expect(sink.generation + sink.twin + sink.shipped).toBe(sink.distinct);
    expect(sink.zero + sink.repeats + sink.distinct).toBe(sink.ramDirty + sink.diskDirty);
    expect(source).toMatchObject({
      ramDirty: sink.ramDirty,
      diskDirty: sink.diskDirty,
      zero: sink.zero,
      distinct: sink.distinct,
      repeats: sink.repeats,
      shipped: sink.shipped,
      bytes: { index: sink.bytes.index, residual: sink.bytes.residual },
    });
  });

  test.each([20, 21, 22])("without a twin is exact (seed %i)", async (seed) => {
    const random = seeded(seed);
    const base = randomState(random, 150, 250);
    const current = worked(random, base, 0.6);
    const { arrived, sink } = await exchange(lab, { base, current });
    expectArrived(arrived, current);
    expect(sink.twin).toBe(0);
  });

  test.each([40, 41, 42, 43])("repairs the false hits of 8-bit hashes (seed %i)", async (seed) => {
    const random = seeded(seed);
    const base = randomState(random, 300, 1500);
    const twin = worked(random, base, 0.3);
    const current = worked(random, base, 0.2, [twin]);
    const { arrived, refetched, source } = await exchange(lab, { base, current, twin, hashBits: 8 });
    expect(refetched).toBeGreaterThan(20);
    expect(source.refetched).toBe(refetched);
    expectArrived(arrived, current);
  });

  test("ships what neither side has once, and nothing that a zero, a repeat or a move explains", async () => {
    const random = seeded(60);
    const base = randomState(random, 64, 64);
    const [a, b] = [randomBlock(random), randomBlock(random)];
    const current = { ram: Buffer.from(base.ram), disk: Buffer.from(base.disk) };
    const twin = { ram: Buffer.from(base.ram), disk: Buffer.from(base.disk) };
    for (const at of [3, 7, 50]) a.copy(current.ram, at * 4096);
    a.copy(current.disk, 9 * 4096);
    b.copy(current.disk, 20 * 4096);
    b.copy(twin.ram, 33 * 4096);
    // Content of the generation at another address: find one that is neither zero nor repeated where it goes.
    const moved = randomBlock(random);
    moved.copy(base.disk, 0);
    moved.copy(current.disk, 0);
    moved.copy(twin.disk, 0);
    moved.copy(current.ram, 11 * 4096);
    randomBlock(random).copy(base.ram, 12 * 4096);
    current.ram.fill(0, 12 * 4096, 13 * 4096);
    const { arrived, sink } = await exchange(lab, { base, current, twin });
    expectArrived(arrived, current);
    expect(sink).toMatchObject({
      ramDirty: 5,
      diskDirty: 2,
      zero: 1,
      distinct: 3,
      repeats: 3,
      shipped: 1,
      twin: 1,
      generation: 1,
    });
  });

  test("leaves out the parts of a block that the twin has at the same address", async () => {
    const random = seeded(70);
    const base = randomState(random, 400, 40);
    const twin = { ram: Buffer.from(base.ram), disk: Buffer.from(base.disk) };
    for (let i = 0; i < 300; i++) randomBlock(random).copy(twin.ram, i * 4096);
    const current = { ram: Buffer.from(twin.ram), disk: Buffer.from(base.disk) };
    for (let i = 0; i < 300; i++) current.ram.writeUInt32LE(random(0x1_0000_0000), i * 4096 + random(1024) * 4);
    const { arrived, sink, refetched } = await exchange(lab, { base, current, twin });
    expectArrived(arrived, current);
    expect(sink.shipped).toBe(300);
    expect(sink.partsLeftOut).toBe(300 * 7);
    expect(refetched).toBe(0);
    expect(sink.bytes.residual).toBeLessThan(300 * 600);
  });

  test("repairs a part that was left out because its 2-byte hash is that of another", async () => {
    const random = seeded(71);
    const [ours, theirs] = collidingParts(random);
    const base = randomState(random, 600, 40);
    const twin = { ram: Buffer.from(base.ram), disk: Buffer.from(base.disk) };
    for (let i = 0; i < 600; i++) randomBlock(random).copy(twin.ram, i * 4096);
    const current = { ram: Buffer.from(twin.ram), disk: base.disk };
    // Every block differs in its second part; in one of the first frame nothing shows it.
    for (let i = 0; i < 600; i++) current.ram.writeUInt32LE(random(0x1_0000_0000), i * 4096 + 700);
    ours.copy(current.ram, 9 * 4096 + 1024);
    theirs.copy(twin.ram, 9 * 4096 + 1024);
    const { arrived, sink, refetched } = await exchange(lab, { base, current, twin });
    expectArrived(arrived, current);
    expect(sink.shipped).toBe(600);
    expect(refetched).toBeGreaterThan(0);
    expect(refetched).toBeLessThanOrEqual(16);
  });

  test("of nothing at all sends next to nothing", async () => {
    const base = randomState(seeded(61), 50, 50);
    const { arrived, sink } = await exchange(lab, { base, current: base });
    expectArrived(arrived, base);
    expect(sink.bytes.index + sink.bytes.need + sink.bytes.residual).toBeLessThan(40);
  });

  test("survives contents that begin with zstd's dictionary magic", async () => {
    const random = seeded(62);
    const base = randomState(random, 32, 32);
    for (let i = 0; i < 32; i++) base.ram.writeUInt32LE(0xec30a437, i * 4096);
    const current = { ram: Buffer.from(base.ram), disk: base.disk };
    for (let i = 0; i < 32; i++) current.ram.writeUInt32LE(i, i * 4096 + 100);
    const { arrived, sink } = await exchange(lab, { base, current, level: 19 });
    expectArrived(arrived, current);
    expect(sink.shipped).toBe(32);
    expect(sink.bytes.residual).toBeLessThan(2000);
  });

  test("uses at most 6 bytes a dirty block for index and need, repairs included", async () => {
    const random = seeded(63);
    const base = randomState(random, 500, 1000);
    const current = worked(random, base, 0.5);
    const { sink } = await exchange(lab, { base, current });
    const bytes = sink.bytes.index + sink.bytes.need + sink.bytes.refetch;
    expect(bytes / (sink.ramDirty + sink.diskDirty)).toBeLessThan(4.5);
  });

  test("stops when its signal fires", async () => {
    const random = seeded(64);
    const base = randomState(random, 400, 400);
    const current = worked(random, base, 0.9);
    const stop = new AbortController();
    const done = exchange(lab, {
      base,
      current,
      signal: stop.signal,
      tamper: (name, message) => {
        if (name === "frame") stop.abort();
        return message;
      },
    });
    await expect(done).rejects.toMatchObject({ code: "CANCELLED" });
  });
});
