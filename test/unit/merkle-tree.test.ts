import { hash } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Bitmap, HashPool, MerkleTree, type BlockDevice, type FileBlocks } from "../../syncer/index.ts";
import { Lab, randomBlock, seeded, withoutFile } from "./residual-machines.ts";

const LEAF = 65_536;

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

/** The root as the comment in merkle-nodes.ts defines it, written a second time and without any shortcut. */
function plainRoot(data: Buffer): string {
  const sha = (...parts: Buffer[]): Buffer => hash("sha256", Buffer.concat(parts), "buffer");
  let level: Buffer[] = [];
  for (let at = 0; at < data.length; at += LEAF) level.push(sha(data.subarray(at, at + LEAF)));
  for (let height = 1; level.length > 1; height++) {
    const parents: Buffer[] = [];
    for (let i = 0; i < level.length; i += 256) parents.push(sha(Buffer.of(1, height), ...level.slice(i, i + 256)));
    level = parents;
  }
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(data.length));
  return sha(Buffer.of(2), length, ...level).toString("hex");
}

function filled(seed: number, blocks: number): Buffer {
  const random = seeded(seed);
  const data = Buffer.alloc(blocks * 4096);
  for (let i = 0; i < blocks; i += 1 + random(30)) randomBlock(random).copy(data, i * 4096);
  return data;
}

describe("a Merkle tree", () => {
  test.each([0, 1, 15, 16, 17, 256, 16 * 256, 16 * 256 + 1, 9999])("over %i blocks has the defined root", async (blocks) => {
    const data = filled(blocks, blocks);
    const tree = await MerkleTree.build(await lab.device("device", data), pool);
    expect(tree.root).toBe(plainRoot(data));
    expect(tree.leafCount).toBe(Math.ceil(blocks / 16));
    const zeroes = await MerkleTree.build(await lab.device("zeroes", Buffer.alloc(data.length)), pool);
    expect(zeroes.root).toBe(plainRoot(Buffer.alloc(data.length)));
  });

  test("has golden roots (computed with Python's hashlib)", async () => {
    const root = async (data: Buffer): Promise<string> => (await MerkleTree.build(await lab.device("g", data), pool)).root;
    expect(await root(Buffer.alloc(0))).toBe("4322fd2bc0a137d1375b37b3b2e2b4715b3d3dd7ca9682438d4fea0f8437fad3");
    expect(await root(Buffer.alloc(4096))).toBe("eb016096394c99112c3613da2f54fefb17cce666b1cc14f41e429241e636350e");
    expect(await root(Buffer.alloc(3 * LEAF, 0xab))).toBe("8dd739ef830579452a4aeb0015e32b3aa05cdf58a4dbfa179f04c47546b8bf19");
  });

  test("binds the length: a device of zeroes and a longer one differ", async () => {
    const short = await MerkleTree.build(await lab.device("short", Buffer.alloc(LEAF)), pool);
    const long = await MerkleTree.build(await lab.device("long", Buffer.alloc(2 * LEAF)), pool);
    expect(short.root).not.toBe(long.root);
  });

  test("after an update is the tree of the changed device, whatever was marked beyond", async () => {
    const random = seeded(7);
    const data = filled(7, 9000);
    const before = await MerkleTree.build(await lab.device("before", data), pool);
    const dirty = new Bitmap(9000);
    for (let i = 0; i < 60; i++) {
      const block = i === 0 ? 8999 : random(9000);
      dirty.set(block);
      dirty.set(random(9000));
      if (i % 5 === 0) data.fill(0, block * 4096, (block + 1) * 4096);
      else randomBlock(random).copy(data, block * 4096);
    }
    const file = await lab.device("after", data);
    const after = await before.update(file, dirty, pool);
    expect(after.root).toBe(plainRoot(data));
    expect(before.root).not.toBe(after.root);
    expect((await before.update(withoutFile(file), dirty, pool)).root).toBe(after.root);
  });

  test("after an update of a device that is dirty all over is the tree of the changed device", async () => {
    // More than what touching ranges are merged to, twice, and a short leaf at the end.
    const blocks = 2 * 256 * 16 + 999;
    const data = filled(9, blocks);
    const before = await MerkleTree.build(await lab.device("before", data), pool);
    const dirty = new Bitmap(blocks);
    const random = seeded(9);
    for (let block = 1; block < blocks; block += 3) {
      dirty.set(block);
      randomBlock(random).copy(data, block * 4096);
    }
    const after = await before.update(await lab.device("after", data), dirty, pool);
    expect(after.root).toBe(plainRoot(data));
  });

  test("never reads what the device says is not allocated", async () => {
    const data = filled(8, 4000);
    data.fill(0, 100 * 4096, 3000 * 4096);
    const file = await lab.device("sparse", data);
    const sparse: BlockDevice = {
      blocks: file.blocks,
      read: (block, count) => readOutside(file, block, count),
      async *allocatedAnywhere() {
        await Promise.resolve();
        yield { block: 0, count: 50 };
        yield { block: 50, count: 50 };
        yield { block: 3000, count: 1000 };
      },
    };
    expect((await MerkleTree.build(sparse, pool)).root).toBe(plainRoot(data));
  });

  test("is the same after encode and decode, and every change to its file is noticed", async () => {
    const tree = await MerkleTree.build(await lab.device("device", filled(9, 5000)), pool);
    const file = await tree.encode();
    const again = await MerkleTree.decode(file);
    expect((await MerkleTree.decode(file, again.blocks)).root).toBe(again.root);
    await expect(MerkleTree.decode(file, again.blocks + 1)).rejects.toMatchObject({ code: "DAMAGED" });
    expect(again.root).toBe(tree.root);
    expect(again.blocks).toBe(5000);
    expect(again.leaf(17)).toEqual(tree.leaf(17));
    const random = seeded(10);
    for (let i = 0; i < 100; i++) {
      const at = i < 60 ? i : random(file.length);
      const flipped = Buffer.from(file);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << random(8));
      await expect(MerkleTree.decode(flipped)).rejects.toMatchObject({ code: "DAMAGED" });
      const cut = random(file.length);
      await expect(MerkleTree.decode(file.subarray(0, cut))).rejects.toMatchObject({ code: "DAMAGED" });
    }
    await expect(MerkleTree.decode(Buffer.concat([file, Buffer.of(0)]))).rejects.toMatchObject({ code: "DAMAGED" });
  });

  test("stops when its signal fires", async () => {
    const device = await lab.device("device", filled(11, 5000));
    await expect(MerkleTree.build(device, pool, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "CANCELLED",
    });
  });
});

function readOutside(file: FileBlocks, block: number, count: number): Promise<Buffer> {
  // A leaf that is partly allocated is read whole: block 96 to 111 here.
  if (block < 2992 && block + count > 112) throw new Error(`read ${block}+${count}`);
  return file.read(block, count);
}
