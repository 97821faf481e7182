import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { HomewardError } from "../../common/errors.ts";
import { HashPool } from "../../syncer/index.ts";
import { exchange, Lab, randomState, seeded, worked, type MessageName } from "./residual-machines.ts";

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

const CHANGES: Record<string, (message: Buffer, random: (limit: number) => number) => Buffer> = {
  cut: (message, random) => message.subarray(0, random(message.length)),
  lengthened: (message) => Buffer.concat([message, Buffer.of(0)]),
  flipped: (message, random) => {
    const flipped = Buffer.from(message);
    const at = random(flipped.length);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << random(8));
    return flipped;
  },
  emptied: () => Buffer.alloc(0),
};
const NAMES: readonly MessageName[] = ["index", "need", "frame", "narrow", "nodes", "refetch", "again"];
const CASES = [
  ...NAMES.flatMap((name) => Object.keys(CHANGES).map((change) => [name, change, 3] as const)),
  ...Object.keys(CHANGES).map((change) => ["frame", change, 20] as const),
];

describe("an exchange in which one message is damaged", () => {
  test.each(CASES)("%s %s at level %i: arrives exact after all, or ends with a clear error", async (name, change, level) => {
    const random = seeded(name.length * 100 + change.length + level);
    const base = randomState(random, 100, 400);
    const twin = worked(random, base, 0.3);
    const current = worked(random, base, 0.5, [twin]);
    let left = 1;
    let changed = 0;
    // Few hash bits, so that the messages of the repair are sent at all.
    const done = exchange(lab, {
      base,
      current,
      twin,
      level,
      hashBits: 10,
      tamper: (one, message) => {
        if (one !== name || left-- !== 1) return message;
        changed++;
        return CHANGES[change]?.(message, random) ?? message;
      },
    });
    try {
      const { arrived } = await done;
      expect(arrived.ram.equals(current.ram)).toBe(true);
      expect(arrived.disk.equals(current.disk)).toBe(true);
    } catch (error) {
      expect(error).toBeInstanceOf(HomewardError);
      expect(["DAMAGED", "PEER"]).toContain((error as HomewardError).code);
    }
    expect(changed).toBe(1);
  });

  test("a source that answers with other content is found out", async () => {
    const random = seeded(5);
    const base = randomState(random, 100, 100);
    const current = worked(random, base, 0.5);
    const other = worked(random, current, 0.5);
    const frames: Buffer[] = [];
    await exchange(lab, {
      base,
      current: other,
      tamper: (name, message) => {
        if (name === "frame") frames.push(message);
        return message;
      },
    });
    await lab.close();
    lab = await Lab.create(pool);
    await expect(
      exchange(lab, { base, current, tamper: (name, message) => (name === "frame" ? (frames.shift() ?? message) : message) }),
    ).rejects.toMatchObject({ code: expect.stringMatching(/^(DAMAGED|PEER)$/) as string });
  });

  test("a bad block of the destination's generation is mended, though it is also what frames are compressed against", async () => {
    const random = seeded(7);
    const base = randomState(random, 64, 64);
    // Every block of some leaves is patched, so that it travels as a difference to the generation's block.
    const current = { ram: Buffer.from(base.ram), disk: Buffer.from(base.disk) };
    for (const device of [current.ram, current.disk])
      for (let block = 0; block < 32; block++) device.writeUInt32LE(random(0x1_0000_0000), block * 4096 + 128);
    const badBase = { ram: Buffer.from(base.ram), disk: Buffer.from(base.disk) };
    // Only leaves that are dirty are read back; the others are what a generation is checked for before it is used.
    for (const device of [badBase.ram, badBase.disk]) {
      device.fill(0xee, 5 * 4096 + 1024, 5 * 4096 + 1400);
      device.fill(0xdd, 20 * 4096, 32 * 4096);
    }
    const { arrived, refetched } = await exchange(lab, { base, badBase, current });
    expect(arrived.ram.equals(current.ram)).toBe(true);
    expect(arrived.disk.equals(current.disk)).toBe(true);
    expect(refetched).toBeGreaterThan(0);
  });

  test("frames out of order are refused", async () => {
    const random = seeded(6);
    const base = randomState(random, 500, 500);
    const current = worked(random, base, 3);
    let first: Buffer | undefined;
    await expect(
      exchange(lab, {
        base,
        current,
        tamper: (name, message) => {
          if (name !== "frame") return message;
          first ??= message;
          return first;
        },
      }),
    ).rejects.toMatchObject({ code: "PEER" });
  });
});
