import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { BitReader, BitWriter } from "../../syncer/page-model/bit-coder.ts";
import { AFTER_ONE, AFTER_ZERO, HISTORIES } from "../../syncer/page-model/bit-history.ts";
import { SQUASH, STRETCH } from "../../syncer/page-model/logistic.ts";
import { isDataPage, PagePacker, PageUnpacker } from "../../syncer/page-model/page-packer.ts";
import { PageThread } from "../../syncer/page-model/page-thread.ts";
import { randomBlock, seeded, type Random } from "./residual-machines.ts";

const PAGE = 4096;

/** What a program keeps its things in: pointers into one place, small numbers, and much nothing. */
function structPage(random: Random, pointer: bigint): Buffer {
  const page = Buffer.alloc(PAGE);
  for (let at = 0; at < PAGE; at += 8) {
    const kind = random(4);
    if (kind === 1) page.writeBigUInt64LE(pointer + BigInt(random(4096) * 16), at);
    else if (kind === 2) page.writeUInt32LE(random(50), at);
  }
  return page;
}

/** The page after a program went on: its pointers lead elsewhere, some numbers grew. */
function goneOn(random: Random, page: Buffer, by: bigint): Buffer {
  const next = Buffer.from(page);
  for (let at = 0; at < PAGE; at += 8) {
    const word = next.readBigUInt64LE(at);
    if (word > 0xffff_ffffn) next.writeBigUInt64LE(word + by, at);
    else if (random(8) === 0) next.writeBigUInt64LE(word + 1n, at);
  }
  return next;
}

function textPage(random: Random): Buffer {
  const words = ["the ", "guest ", "wrote ", "something ", "that ", "nobody ", "had ", "before\n"];
  let text = "";
  while (text.length < PAGE) text += words[random(words.length)] ?? "";
  return Buffer.from(text.slice(0, PAGE));
}

interface Lists {
  readonly content: Buffer;
  readonly base: Buffer;
}

function lists(seed: number, count: number, pages: number): Lists[] {
  const random = seeded(seed);
  return Array.from({ length: count }, () => {
    const pairs = Array.from({ length: pages }, () => {
      const kind = random(8);
      if (kind === 0) return [textPage(random), randomBlock(random)] as const;
      if (kind === 1) return [randomBlock(random), Buffer.alloc(PAGE)] as const;
      const base = kind === 2 ? Buffer.alloc(PAGE) : structPage(random, 0x7f00_1234_0000n);
      return [kind === 2 ? structPage(random, 0x7f00_1234_0000n) : goneOn(random, base, 0x5000n), base] as const;
    });
    return { content: Buffer.concat(pairs.map(([page]) => page)), base: Buffer.concat(pairs.map(([, base]) => base)) };
  });
}

/** Where pages are data the base's stand, as unpack() leaves them. */
function withoutData({ content, base }: Lists, isData: Uint8Array): Buffer {
  const pages = Buffer.from(content);
  for (const [i, is] of isData.entries()) if (is === 1) base.copy(pages, i * PAGE, i * PAGE, (i + 1) * PAGE);
  return pages;
}

test("probabilities grow with their logits, and come back", () => {
  for (let i = 1; i < 4096; i++) expect(SQUASH[i]).toBeGreaterThanOrEqual(SQUASH[i - 1] ?? 0);
  for (let probability = 1; probability < 4095; probability++)
    expect(Math.abs((SQUASH[(STRETCH[probability] ?? 0) + 2048] ?? 0) - probability)).toBeLessThanOrEqual(8);
  expect([SQUASH[0], SQUASH[2048], SQUASH[4095]]).toEqual([1, 2048, 4095]);
});

test("a history is a byte, and forgets most of what a surprise contradicts", () => {
  expect(HISTORIES).toBeLessThanOrEqual(256);
  const after = (bits: string): number =>
    Array.from(bits).reduce((history, bit) => (bit === "1" ? AFTER_ONE : AFTER_ZERO)[history] ?? 0, 0);
  expect(after("0000")).not.toBe(after("000"));
  expect(after("01")).not.toBe(after("10"));
  expect(after("0".repeat(40))).toBe(after("0".repeat(100)));
  expect(after(`${"0".repeat(8)}1`)).toBe(after(`${"0".repeat(9)}1`));
});

test("bits come back with any probabilities, and their end is noticed", () => {
  const random = seeded(1);
  const bits = Array.from({ length: 20_000 }, () => {
    const probability = 1 + random(4095);
    return { probability, bit: random(4096) < probability ? 1 : 0 };
  });
  const writer = new BitWriter();
  for (const { bit, probability } of bits) writer.code(bit, probability);
  const bytes = writer.flush();
  expect(bytes.length).toBeLessThan(20_000 / 8);
  const read = (from: Uint8Array): void => {
    const reader = new BitReader(from);
    for (const { bit, probability } of bits) if (reader.code(0, probability) !== bit) throw new Error("another bit");
    reader.end();
  };
  read(bytes);
  expect(() => {
    read(bytes.subarray(0, -1));
  }).toThrow("end early");
  expect(() => {
    read(Buffer.concat([bytes, Buffer.of(0)]));
  }).toThrow("go on after their end");
  // The next ones begin anew.
  writer.code(1, 4000);
  expect(new BitReader(writer.flush()).code(0, 4000)).toBe(1);
});

test("text and random bytes are data, numbers and small changes are not", () => {
  const random = seeded(2);
  const halves = (page: Buffer): Uint32Array => new Uint32Array(new Uint8Array(page).buffer);
  const zero = halves(Buffer.alloc(PAGE));
  const text = textPage(random);
  expect(isDataPage(halves(text), zero)).toBe(true);
  expect(isDataPage(halves(randomBlock(random)), zero)).toBe(true);
  expect(isDataPage(halves(structPage(random, 0x7f00_1234_0000n)), zero)).toBe(false);
  const changed = Buffer.from(text);
  changed.write("nothing", 100);
  expect(isDataPage(halves(changed), halves(text))).toBe(false);
});

test("pages come back, list after list, and later lists profit from earlier ones", () => {
  const packer = new PagePacker();
  const unpacker = new PageUnpacker();
  const sizes: number[] = [];
  for (const list of lists(3, 4, 24)) {
    const { isData, packed } = packer.pack(list.content, list.base);
    sizes.push(packed.length);
    expect(isData).toHaveLength(24);
    expect(isData).toContain(1);
    expect(isData).toContain(0);
    const back = unpacker.unpack(packed, list.base);
    expect(back.isData).toEqual(isData);
    expect(Buffer.from(back.content).equals(withoutData(list, isData))).toBe(true);
  }
  expect(sizes[3]).toBeLessThan((sizes[0] ?? 0) * 0.9);
  const [first] = lists(3, 1, 24);
  if (first === undefined) throw new Error("no list");
  expect(() => new PageUnpacker().unpack(Buffer.alloc(3), first.base)).toThrow("end early");
});

test("has a golden form, without which hosts of two versions would not understand each other", () => {
  const packer = new PagePacker();
  const packed = lists(4, 2, 16).map(({ content, base }) => Buffer.from(packer.pack(content, base).packed));
  // RESIDUAL_FORMAT changes when this does.
  expect(packed.map((bytes) => [bytes.length, crc32(bytes)])).toEqual(GOLDEN);
});

test("a thread does the same, in order, says what is damaged and ends", async () => {
  const all = lists(5, 3, 8);
  const thread = new PageThread();
  const [here, packing, unpacking] = [new PagePacker(), thread.series(), thread.series()];
  const packed = await Promise.all(all.map(({ content, base }) => packing.pack(content, base)));
  expect(packed).toEqual(all.map(({ content, base }) => here.pack(content, base)).map(({ isData, packed }) => ({ isData, packed: Uint8Array.from(packed) })));
  const back = await Promise.all(packed.map((list, i) => unpacking.unpack(list.packed, all[i]?.base ?? Buffer.alloc(0))));
  for (const [i, list] of all.entries())
    expect(Buffer.from(back[i]?.content ?? []).equals(withoutData(list, packed[i]?.isData ?? new Uint8Array(8)))).toBe(true);
  await expect(unpacking.unpack(Buffer.alloc(2), Buffer.alloc(PAGE))).rejects.toMatchObject({ code: "DAMAGED" });
  // Another series begins without what this one has learnt.
  packing.end();
  const [first] = all;
  if (first === undefined) throw new Error("no list");
  expect((await thread.series().pack(first.content, first.base)).packed).toEqual(packed[0]?.packed);
  const late = packing.pack(all[0]?.content ?? Buffer.alloc(0), all[0]?.base ?? Buffer.alloc(0));
  const ended = expect(late).rejects.toMatchObject({ code: "CANCELLED" });
  await thread.close();
  await ended;
  await expect(packing.pack(Buffer.alloc(PAGE), Buffer.alloc(PAGE))).rejects.toMatchObject({ code: "CANCELLED" });
});

const GOLDEN = [
  [2766, 88682746],
  [1698, 2657746637],
];
