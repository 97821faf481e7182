import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { noProgress, type Progress } from "../../common/progress.ts";
import { kindByContents, looksLikeKernelStack } from "../../explain/contents.ts";
import { Frames } from "../../explain/frames.ts";
import { explainBlocks, KIND_TEXTS, KINDS, type Explanation } from "../../explain/index.ts";
import { BLOCK_BYTES, type BlockRange } from "../../syncer/index.ts";
import { CACHE, DISK_SPACE, ext4Disk, FILE_SPACE, FLAG, GuestMemory, memory, RAM_BLOCKS, TYPE, type Use } from "./explain-guest.ts";

const ANONYMOUS = 0xffff_8880_0123_4001n;
const EMPTY_DISK = Buffer.alloc(64 * BLOCK_BYTES);

interface Asked {
  readonly ram?: Buffer;
  readonly disk?: Buffer;
  readonly ramBlocks?: readonly BlockRange[];
  readonly diskBlocks?: readonly BlockRange[];
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

function explain({ ram = Buffer.alloc(RAM_BLOCKS * BLOCK_BYTES), disk = EMPTY_DISK, ramBlocks = [], diskBlocks = [], progress = noProgress, signal }: Asked): Promise<Explanation> {
  return explainBlocks({
    ram: { before: memory(Buffer.alloc(ram.length)), after: memory(ram), blocks: ramBlocks },
    disk: { before: memory(Buffer.alloc(disk.length)), after: memory(disk), blocks: diskBlocks },
    level: 3,
    progress,
    ...(signal === undefined ? {} : { signal }),
  });
}

function kindsOf({ kinds }: Explanation): Record<string, number> {
  return Object.fromEntries(kinds.map(({ kind, blocks }) => [kind, blocks]));
}

describe("explainBlocks, with a kernel's array of page descriptors", () => {
  const cases: readonly (readonly [kind: string, use: Use])[] = [
    ["slab", { flags: FLAG.slab, mapping: CACHE, references: 1 }],
    ["kernel-image", { flags: FLAG.reserved, references: 1 }],
    ["page-tables", { type: TYPE.table, references: 1 }],
    ["free", { type: TYPE.buddy }],
    ["free", {}],
    ["user", { mapping: ANONYMOUS, type: 0, references: 1 }],
    ["shared-memory", { flags: FLAG.swapBacked, mapping: FILE_SPACE, references: 2 }],
    ["page-cache", { mapping: FILE_SPACE, references: 2 }],
    ["metadata-cache", { mapping: DISK_SPACE, references: 2 }],
    ["kernel-other", { references: 1 }],
  ];

  it.each(cases)("takes the word of a page's descriptor: %s", async (kind, use) => {
    const { data } = new GuestMemory().use(200, use).fill(200, randomBytes(BLOCK_BYTES));
    const explanation = await explain({ ram: data, ramBlocks: [{ block: 200, count: 1 }] });
    expect(explanation.by).toBe("descriptors");
    expect(kindsOf(explanation)).toEqual({ [kind]: 1 });
  });

  it("names the cache of a slab, also in its later pages, and knows the array itself", async () => {
    const guest = new GuestMemory().use(200, { flags: FLAG.slab, mapping: CACHE, references: 1 }).use(201, { head: 200 });
    guest.fill(200, randomBytes(2 * BLOCK_BYTES));
    const { kinds } = await explain({ ram: guest.data, ramBlocks: [{ block: 200, count: 2 }, { block: 600, count: 3 }] });
    expect(kinds.find(({ kind }) => kind === "slab")).toMatchObject({ blocks: 2, fresh: 2, parts: new Map([["dentry", 2]]) });
    expect(kinds.find(({ kind }) => kind === "page-descriptors")).toMatchObject({ blocks: 3 });
  });

  it("looks at contents where the kernel says no more: stacks and upper page tables", async () => {
    const table = Buffer.alloc(BLOCK_BYTES);
    table.writeBigUInt64LE(0x8000_0000_0012_3067n, 64);
    const stack = Buffer.alloc(BLOCK_BYTES);
    stack.writeUInt32LE(0x57ac_6e9d, 0);
    const guest = new GuestMemory().use(200, { references: 1 }).use(201, { references: 1 }).fill(200, table).fill(201, stack);
    expect(kindsOf(await explain({ ram: guest.data, ramBlocks: [{ block: 200, count: 2 }] }))).toEqual({ "page-tables": 1, "kernel-stack": 1 });
  });

  it("does not believe flags whose slabs name no cache: another kernel's layout", async () => {
    const guest = new GuestMemory().use(200, { mapping: ANONYMOUS, references: 1 }).fill(200, Buffer.alloc(BLOCK_BYTES, "words "));
    for (let frame = 1000; frame < 1064; frame++) guest.use(frame, { flags: FLAG.slab, mapping: 0x1234_5678n });
    const explanation = await explain({ ram: guest.data, ramBlocks: [{ block: 200, count: 1 }, { block: 600, count: 1 }] });
    expect(explanation.by).toBe("contents");
    expect(kindsOf(explanation)).toEqual({ "page-cache": 1, "page-descriptors": 1 });
  });

  it("weighs each kind against what was there before, and counts what changed", async () => {
    const { data } = new GuestMemory().use(200, { mapping: ANONYMOUS, references: 1 }).fill(200, randomBytes(BLOCK_BYTES));
    const before = Buffer.from(data);
    for (let i = 0; i < 5; i++) data.writeUInt8(255 - data.readUInt8(200 * BLOCK_BYTES + i * 100), 200 * BLOCK_BYTES + i * 100);
    const ram = { before: memory(before), after: memory(data), blocks: [{ block: 200, count: 1 }] };
    const disk = { before: memory(EMPTY_DISK), after: memory(EMPTY_DISK), blocks: [] };
    const { kinds } = await explainBlocks({ ram, disk, level: 19, progress: noProgress });
    expect(kinds).toMatchObject([{ kind: "user", blocks: 1, fresh: 0, changed: 5 }]);
    expect(kinds[0]?.bytes).toBeLessThan(200);
  });

  it("comes to an end whatever a guest has in its memory, and leaves no block out", async () => {
    const [records, array] = [16 * BLOCK_BYTES, 512 * BLOCK_BYTES];
    const interesting = [0n, 1n, 0xffff_ffff_ffff_ffffn, 0xffff_8880_0000_0000n, 0xffff_ea00_0000_0001n, 0xffff_ea00_7fff_ffc1n, 0xffff_ffff_ffff_fff8n];
    for (let i = 0; i < 12; i++) {
      const guest = new GuestMemory();
      for (let frame = 200; frame < 232; frame++) guest.use(frame, cases[(frame + i) % cases.length]?.[1] ?? {});
      for (let n = 0; n < 600; n++) {
        const at = n % 3 === 0 ? records + (n % 200) * 8 : array + 200 * 64 + ((n * 37) % 256) * 8;
        guest.data.writeBigUInt64LE(interesting[(n * 7 + i) % interesting.length] ?? randomBytes(8).readBigUInt64LE(), at);
      }
      const { kinds } = await explain({ ram: guest.fill(200, randomBytes(32 * BLOCK_BYTES)).data, ramBlocks: [{ block: 200, count: 32 }] });
      expect(kinds.reduce((sum, { blocks }) => sum + blocks, 0)).toBe(32);
    }
  });

  it("says how far it is, and stops when it is told to", async () => {
    const phases = new Set<string>();
    const stop = new AbortController();
    const progress = {
      update: ({ phase }: { readonly phase: string }) => {
        phases.add(phase);
        if (phase === "weigh blocks") stop.abort(new Error("enough"));
      },
    };
    const blocks = [{ block: 200, count: 100 }, { block: 400, count: 1 }];
    await expect(explain({ ram: new GuestMemory().data, ramBlocks: blocks, progress, signal: stop.signal })).rejects.toMatchObject({ code: "CANCELLED" });
    expect([...phases]).toEqual(["read memory", "weigh blocks"]);
  });
});

describe("explainBlocks, on the disk", () => {
  it.each([0, 64])("tells the parts of an ext4 file system that begins at block %d", async (start) => {
    const disk = ext4Disk(start);
    if (start > 0) {
      disk.writeUInt16LE(0xaa55, 510);
      disk.writeUInt32LE(start * 8, 446 + 8);
    }
    const diskBlocks = [0, 1, 5, 6, 8, 100, 115, 120, 130].map((block) => ({ block: start + block, count: 1 }));
    expect(kindsOf(await explain({ disk, diskBlocks }))).toEqual({
      superblock: 2,
      bitmap: 2,
      "inode-table": 1,
      journal: 2,
      directory: 1,
      "file-data": 1,
    });
  });

  it("takes what it does not know for data, whatever a damaged file system says", async () => {
    for (let i = 0; i < 50; i++) {
      const disk = ext4Disk();
      randomBytes(BLOCK_BYTES).copy(disk, [1024, BLOCK_BYTES, 8 * BLOCK_BYTES + 7 * 256][i % 3] ?? 0);
      disk.writeUInt16LE(0xef53, 1024 + 56);
      const { kinds } = await explain({ disk, diskBlocks: [{ block: 130, count: 2 }] });
      expect(kinds.reduce((sum, { blocks }) => sum + blocks, 0)).toBe(2);
    }
  });
});

describe("kinds by contents", () => {
  it("are right for pages of a real guest", () => {
    // Two each of a Debian 12 desktop's, of which the kernel's own records say the same.
    const pages = zstdDecompressSync(readFileSync(join(import.meta.dirname, "golden", "guest-pages.zst")));
    const found = Array.from({ length: pages.length / BLOCK_BYTES }, (_, i) => kindByContents(pages.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES), 131_072));
    const expected = ["kernel-stack", "page-cache", "page-tables", "slab", "user"];
    expect(found).toEqual(expected.flatMap((kind) => [kind, kind]));
  });

  it("are unknown for what is random, and zeroes for zeroes", () => {
    for (let i = 0; i < 100; i++) expect(kindByContents(randomBytes(BLOCK_BYTES), 131_072)).toBe("unknown");
    expect(kindByContents(Buffer.alloc(BLOCK_BYTES), 131_072)).toBe("zero");
  });

  it("do not take objects with the same few functions for a stack", () => {
    const objects = Buffer.alloc(BLOCK_BYTES);
    for (let at = 0; at < BLOCK_BYTES; at += 128) {
      objects.writeBigUInt64LE(0xffff_ffff_8123_4560n, at);
      objects.writeBigUInt64LE(0xffff_8880_0123_4560n + BigInt(at), at + 8);
    }
    expect(looksLikeKernelStack(objects)).toBe(false);
    expect(kindByContents(objects, 131_072)).toBe("slab");
  });

  it("are each explained, with a cure", () => {
    for (const kind of KINDS) expect(Object.values<string>({ ...KIND_TEXTS[kind] }).every((text) => text.length > 5)).toBe(true);
  });
});

describe("Frames", () => {
  it("leaves room for devices below 4 GiB where there is much memory", () => {
    const large = new Frames(2 * 1024 * 1024);
    expect(large.frameOf(786_431)).toBe(786_431);
    expect(large.frameOf(786_432)).toBe(1_048_576);
    expect(large.blockOf(1_048_576)).toBe(786_432);
    expect(large.blockOf(800_000)).toBeNull();
    expect(large.blockOf(1_048_576 + 1_310_720)).toBeNull();
    const small = new Frames(RAM_BLOCKS);
    expect([small.blockOf(RAM_BLOCKS - 1), small.blockOf(RAM_BLOCKS)]).toEqual([RAM_BLOCKS - 1, null]);
  });
});
