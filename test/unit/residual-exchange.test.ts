import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { HashPool, type ResidualSource, type SinkStats, type SourceStats } from "../../syncer/index.ts";
import { exchange, Lab, randomBlock, randomState, seeded, worked, type State } from "./residual-machines.ts";

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

describe("a residual exchange", () => {
  test.each(Array.from({ length: 8 }, (_, seed) => seed))("with a twin is exact (seed %i)", async (seed) => {
    const random = seeded(seed);
    const base = randomState(random, 50 + random(200), 50 + random(200));
    const twin = worked(random, base, 0.3);
    const current = worked(random, base, random(10) / 10, [twin]);
    const { arrived, source, sink, refetched } = await exchange(lab, { base, current, twin });
    expectArrived(arrived, current);
    expect(refetched).toBe(0);
    expect(sink.twin + sink.shipped).toBe(sink.distinct);
    expect(sink.zero + sink.generation + sink.repeats + sink.distinct).toBe(sink.ramDirty + sink.diskDirty);
    expect(source).toMatchObject({
      ramDirty: sink.ramDirty,
      diskDirty: sink.diskDirty,
      zero: sink.zero,
      generation: sink.generation,
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
      distinct: 2,
      repeats: 3,
      shipped: 1,
      twin: 1,
      generation: 1,
    });
  });

  test("names what the generation holds elsewhere without a hash, also from the last of its RAM on into its disk", async () => {
    const random = seeded(70);
    const base: State = { ram: Buffer.concat(Array.from({ length: 300 }, () => randomBlock(random))), disk: Buffer.alloc(0) };
    const disk = Buffer.concat(Array.from({ length: 500 }, () => randomBlock(random)));
    const current = { ram: Buffer.from(base.ram), disk };
    disk.copy(current.ram, 0, 100 * 4096, 300 * 4096);
    base.ram.copy(current.ram, 250 * 4096, 299 * 4096, 300 * 4096);
    disk.copy(current.ram, 251 * 4096, 0, 20 * 4096);
    const { arrived, sink, source } = await exchange(lab, { base: { ...base, disk }, current });
    expectArrived(arrived, current);
    expect(sink).toMatchObject({ ramDirty: 221, generation: 221, distinct: 0, shipped: 0 });
    expect(source).toMatchObject({ generation: 221, distinct: 0 });
    expect(sink.bytes.index).toBeLessThan(50);
  });

  test("carries hashes only for a twin to be searched", async () => {
    const random = seeded(71);
    const base = randomState(random, 200, 40);
    const current = { ram: Buffer.concat(Array.from({ length: 200 }, () => randomBlock(random))), disk: base.disk };
    const alone = await exchange(lab, { base, current });
    expectArrived(alone.arrived, current);
    expect(alone.source.hashBits).toBe(0);
    expect(alone.sink.bytes.index + alone.sink.bytes.need).toBeLessThan(80);
    await lab.close();
    lab = await Lab.create(pool);
    const beside = await exchange(lab, { base, current, twin: base });
    expectArrived(beside.arrived, current);
    expect(beside.source.hashBits).toBeGreaterThanOrEqual(28);
  });

  test("of nothing at all sends next to nothing", async () => {
    const base = randomState(seeded(61), 50, 50);
    const { arrived, sink } = await exchange(lab, { base, current: base });
    expectArrived(arrived, base);
    expect(sink.bytes.index + sink.bytes.need + sink.bytes.residual).toBeLessThan(40);
  });

  test("brings pages of numbers and of data at the highest level", async () => {
    const random = seeded(72);
    const base = randomState(random, 700, 200);
    const current = worked(random, base, 0.9);
    // Numbers, some of which grew, in more than two frames' worth of blocks; random bytes in the others.
    for (let block = 0; block < 600; block++)
      for (let at = block * 4096; at < (block + 1) * 4096; at += 16) {
        base.ram.fill(0, at, at + 16);
        base.ram.writeUInt32LE(random(1000), at);
        base.ram.copy(current.ram, at, at, at + 16);
        if (random(3) === 0) current.ram.writeUInt32LE(base.ram.readUInt32LE(at) + 1, at);
      }
    const zstd = await exchange(lab, { base, current, level: 19 });
    await lab.close();
    lab = await Lab.create(pool);
    const { arrived, sink } = await exchange(lab, { base, current, level: 20 });
    expectArrived(arrived, current);
    expect(sink.shipped).toBeGreaterThan(600);
    expect(sink.bytes.residual).toBeLessThan(zstd.sink.bytes.residual * 0.95);
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

  test.each([true, false])("goes on as if nothing had been after the source has looked what it would be (a twin: %s)", async (hasTwin) => {
    const random = seeded(65);
    const base = randomState(random, 2200, 2200);
    const twin = worked(random, base, 0.5);
    const current = worked(random, base, 0.5, [twin]);
    const looked: SourceStats[] = [];
    let sampled = 0;
    const before = async (source: ResidualSource): Promise<void> => {
      for (const withHashes of [true, false]) {
        for await (const message of source.index(withHashes)) expect(message.length).toBeGreaterThan(0);
        looked.push(source.stats);
      }
      sampled = (await source.sample(3)).bytes;
    };
    const { arrived, source, sink } = await exchange(lab, { base, current, before, ...(hasTwin ? { twin } : {}) });
    expectArrived(arrived, current);
    const [replay, overlay] = looked;
    expect(source).toMatchObject({ distinct: sink.distinct, zero: sink.zero, repeats: sink.repeats, generation: sink.generation });
    expect(source.bytes.index).toBe((hasTwin ? replay : overlay)?.bytes.index);
    // What the index takes with hashes, and without, is known of each other.
    const hashes = Math.ceil(((replay?.distinct ?? 0) * (replay?.hashBits ?? 0)) / 8);
    expect(Math.abs((replay?.bytes.index ?? 0) - (overlay?.bytes.index ?? 0) - hashes)).toBeLessThan(20);
    expect(sink.distinct).toBeGreaterThan(600);
    if (!hasTwin) expect(Math.abs(sampled / source.bytes.residual - 1)).toBeLessThan(0.15);
  });

  test.each([70, 71, 72])("with a twin that has little never takes over a hundredth more than without, but for the index (seed %i)", async (seed) => {
    const random = seeded(seed);
    const base = randomState(random, 400, 900);
    const current = worked(random, base, 0.6);
    const without = await exchange(lab, { base, current });
    await lab.close();
    lab = await Lab.create(pool);
    const strayed = await exchange(lab, { base, current, twin: worked(seeded(seed + 100), base, 0.4) });
    expectArrived(strayed.arrived, current);
    const sent = ({ residual, need, refetch }: SinkStats["bytes"]): number => residual + need + refetch;
    expect(sent(without.sink.bytes)).toBeGreaterThan(400_000);
    expect(sent(strayed.sink.bytes)).toBeLessThanOrEqual(1.01 * sent(without.sink.bytes));
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
