import { describe, expect, test } from "vitest";
import { blockdevNodes, chainFileName } from "../../vm/disk-chain.ts";
import { blockExtents, inStep, type Extent, type Piece } from "../../vm/disk-extents.ts";

const K = 1024;

async function extentsOf(runs: readonly (readonly [bytes: number, kind: Piece["kind"]])[]): Promise<Extent[]> {
  async function* pieces(): AsyncGenerator<Piece> {
    let offset = 0;
    for (const [bytes, kind] of runs) {
      yield await Promise.resolve({ offset, bytes, kind });
      offset += bytes;
    }
  }
  const all: Extent[] = [];
  for await (const extent of blockExtents(pieces())) all.push(extent);
  return all;
}

describe("whole blocks from runs of bytes", () => {
  test("neighbours of one kind are joined, others kept apart", async () => {
    const extents = await extentsOf([
      [8 * K, "data"],
      [4 * K, "data"],
      [4 * K, "zero"],
      [4 * K, "none"],
      [4 * K, "data"],
    ]);
    expect(extents).toEqual([
      { block: 0, count: 3, kind: "data" },
      { block: 3, count: 1, kind: "zero" },
      { block: 5, count: 1, kind: "data" },
    ]);
  });

  test("a block that is only partly zero or partly of interest is data, and told once", async () => {
    const extents = await extentsOf([
      [1 * K, "none"],
      [1 * K, "data"],
      [1 * K, "data"],
      [3 * K, "zero"],
      [9 * K, "zero"],
      [1 * K, "none"],
    ]);
    expect(extents).toEqual([
      { block: 0, count: 2, kind: "data" },
      { block: 2, count: 1, kind: "zero" },
      { block: 3, count: 1, kind: "data" },
    ]);
  });

  test("a zero run inside one block is data", async () => {
    const extents = await extentsOf([
      [1 * K, "none"],
      [2 * K, "zero"],
    ]);
    expect(extents).toEqual([{ block: 0, count: 1, kind: "data" }]);
  });

  test("nothing of interest gives nothing", async () => {
    expect(await extentsOf([])).toEqual([]);
    expect(await extentsOf([[64 * K, "none"]])).toEqual([]);
  });
});

describe("two status lists in step", () => {
  test("both are cut where either changes, and at the shorter one's end", () => {
    const left = [
      { bytes: 10, flags: 1 },
      { bytes: 20, flags: 0 },
    ];
    const right = [
      { bytes: 4, flags: 7 },
      { bytes: 6, flags: 8 },
      { bytes: 5, flags: 9 },
    ];
    expect([...inStep(left, right, 100)]).toEqual([
      { bytes: 4, left: 1, right: 7 },
      { bytes: 6, left: 1, right: 8 },
      { bytes: 5, left: 0, right: 9 },
    ]);
  });

  test("a list that says more than was asked is cut off", () => {
    const long = [{ bytes: 1000, flags: 1 }];
    expect([...inStep(long, long, 8)]).toEqual([{ bytes: 8, left: 1, right: 1 }]);
  });

  test("an empty list, or a run of nothing, is no endless loop", () => {
    expect([...inStep([], [{ bytes: 5, flags: 0 }], 5)]).toEqual([]);
    const odd = [
      { bytes: 0, flags: 1 },
      { bytes: 5, flags: 2 },
    ];
    expect([...inStep(odd, [{ bytes: 5, flags: 3 }], 5)]).toEqual([{ bytes: 5, left: 2, right: 3 }]);
  });
});

describe("descriptions of a chain", () => {
  test("every layer names the one below, and the last one that there is none", () => {
    const nodes = blockdevNodes(["/a", "/b", "/c"], { writable: true, flush: "safe" });
    expect(nodes.map((node) => [node["node-name"], node["backing"]])).toEqual([
      ["file2", undefined],
      ["disk2", null],
      ["file1", undefined],
      ["disk1", "disk2"],
      ["file0", undefined],
      ["disk0", "disk1"],
    ]);
    expect(nodes.map((node) => node["read-only"] === true)).toEqual([true, true, true, true, false, false]);
  });

  test("the same as one file name", () => {
    const name = chainFileName(["/a", "/b"], { writable: false, flush: "safe" });
    expect(JSON.parse(name.slice("json:".length))).toEqual({
      driver: "qcow2",
      "read-only": true,
      file: { driver: "file", filename: "/a", "read-only": true, "auto-read-only": false },
      backing: {
        driver: "qcow2",
        "read-only": true,
        file: { driver: "file", filename: "/b", "read-only": true, "auto-read-only": false },
        backing: null,
      },
    });
  });
});
