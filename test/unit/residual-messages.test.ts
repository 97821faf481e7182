import { describe, expect, test } from "vitest";
import { HomewardError } from "../../common/errors.ts";
import {
  chooseHashBits,
  decodeIndexMessage,
  decodeNarrowRequest,
  decodeNeedMessage,
  decodeNodes,
  decodeRefetchRequest,
  encodeFrame,
  encodeIndexMessage,
  encodeNarrowRequest,
  encodeNeedMessage,
  encodeNodes,
  encodeRefetchRequest,
  MAX_INDEX_HASHES,
  MAX_INDEX_RUNS,
  MAX_MESSAGE_BYTES,
  MAX_NEED_CONTENTS,
  openFrame,
  packHashes,
  unpackHashes,
  type IndexMessage,
  type IndexRun,
} from "../../protocol/residual.ts";
import { randomBlock, seeded, type Random } from "./residual-machines.ts";

const HEADER = { hashBits: 33, ramBlocks: 100_000, diskBlocks: 500_000 };

function randomBytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random(256)));
}

function indexMessage(random: Random): IndexMessage {
  const runs: IndexRun[] = [];
  let block = random(50);
  let hashes = 0;
  for (let i = 0; i < 40; i++) {
    const count = 1 + random(5);
    const kind = random(4);
    if (kind === 0) runs.push({ kind: "zero", block, count });
    else if (kind === 1) runs.push({ kind: "repeat", block, count, content: random(1000) });
    else if (kind === 2) runs.push({ kind: "generation", block, count, from: random(599_000) });
    else {
      runs.push({ kind: "hashed", block, count });
      hashes += count;
    }
    block += count + random(20);
  }
  const packed = unpackHashes(packHashes(randomBytes(random, hashes * 8), 33), hashes, 33);
  return { sequence: 0, last: false, header: HEADER, device: "ram", runs, hashes: packed };
}

/** Every truncation and a flip in every byte: an error with a code, or a message that is as well-formed as any other. */
async function expectClearErrors(message: Buffer, decode: (data: Buffer) => unknown): Promise<void> {
  const random = seeded(message.length);
  for (let cut = 0; cut < message.length; cut++)
    await expect(Promise.resolve().then(() => decode(message.subarray(0, cut)))).rejects.toMatchObject({
      name: "HomewardError",
      code: expect.stringMatching(/^(DAMAGED|PEER)$/) as string,
    });
  for (let at = 0; at < message.length; at++) {
    const flipped = Buffer.from(message);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << random(8));
    try {
      await decode(flipped);
    } catch (error) {
      expect(error).toBeInstanceOf(HomewardError);
      expect(["DAMAGED", "PEER"]).toContain((error as HomewardError).code);
    }
  }
}

describe("hash bits", () => {
  test.each([8, 13, 24, 31, 32, 33, 36, 40, 44, 48])("of width %i come back", (bits) => {
    const random = seeded(bits);
    for (const count of [0, 1, 2, 3, 17]) {
      const hashes = randomBytes(random, count * 8);
      const packed = packHashes(hashes, bits);
      expect(packed.length).toBe(Math.ceil((count * bits) / 8));
      const back = unpackHashes(packed, count, bits);
      for (let i = 0; i < count; i++) {
        const kept = (data: Uint8Array): bigint => Buffer.from(data).readBigUInt64BE(i * 8) >> BigInt(64 - bits);
        expect(kept(back)).toBe(kept(hashes));
        expect(Buffer.from(back).readBigUInt64BE(i * 8) & ((1n << BigInt(64 - bits)) - 1n)).toBe(0n);
      }
    }
  });

  test("grow with the number of candidates", () => {
    expect(chooseHashBits(1)).toBe(28);
    expect(chooseHashBits(200_000)).toBe(33);
    expect(chooseHashBits(1_000_000)).toBe(35);
    expect(chooseHashBits(30_000_000)).toBe(40);
  });
});

describe("an index message", () => {
  test("has a golden form", async () => {
    const message: IndexMessage = {
      sequence: 0,
      last: true,
      header: { hashBits: 36, ramBlocks: 256, diskBlocks: 1024 },
      device: "ram",
      runs: [
        { kind: "zero", block: 5, count: 3 },
        { kind: "hashed", block: 9, count: 2 },
        { kind: "repeat", block: 200, count: 1, content: 1 },
        { kind: "generation", block: 202, count: 3, from: 255 },
        { kind: "generation", block: 205, count: 1, from: 10 },
      ],
      hashes: Buffer.from("0123456780000000fedcba9870000000", "hex"),
    };
    const data = await encodeIndexMessage(message, 36);
    expect(data.toString("hex")).toBe("03010001248002800805" + "1000" + "000c" + "0109" + "bd010602" + "010ffe03" + "0007ef03" + "02" + "012345678" + "fedcba987");
    expect(await decodeIndexMessage(data, undefined)).toEqual({ ...message, hashes: new Uint8Array(message.hashes) });
  });

  test.each([1, 2, 3, 4, 5])("comes back (seed %i)", async (seed) => {
    const message = indexMessage(seeded(seed));
    expect(await decodeIndexMessage(await encodeIndexMessage(message, 33), undefined)).toEqual(message);
    const later = { ...message, sequence: 5, header: undefined, device: "disk" as const, last: true };
    expect(await decodeIndexMessage(await encodeIndexMessage(later, 33), HEADER)).toEqual(later);
  });

  test("stays below the limit when it is full", async () => {
    const runs = Array.from({ length: MAX_INDEX_RUNS }, (_, i): IndexRun => ({ kind: "hashed", block: i * 9, count: 6 }));
    const hashes = unpackHashes(packHashes(randomBytes(seeded(1), MAX_INDEX_HASHES * 8), 48), MAX_INDEX_HASHES, 48);
    const header = { ...HEADER, hashBits: 48 };
    const message: IndexMessage = { sequence: 0, last: true, header, device: "ram", runs, hashes };
    const data = await encodeIndexMessage(message, 48);
    expect(data.length).toBeLessThan(MAX_MESSAGE_BYTES);
    expect((await decodeIndexMessage(data, undefined)).runs).toHaveLength(MAX_INDEX_RUNS);
  });

  test("is refused when it is damaged", async () => {
    await expectClearErrors(await encodeIndexMessage(indexMessage(seeded(6)), 33), (data) =>
      decodeIndexMessage(data, undefined),
    );
  });

  test.each<[string, Partial<IndexMessage>]>([
    ["names blocks past the end of the device", { runs: [{ kind: "zero", block: 99_999, count: 2 }] }],
    ["repeats a content before the first", { runs: [{ kind: "repeat", block: 1, count: 1, content: -1 }] }],
    ["has hashes too few", { runs: [{ kind: "hashed", block: 1, count: 1 }] }],
    ["points before the generation", { runs: [{ kind: "generation", block: 1, count: 1, from: -1 }] }],
    ["points past the generation", { runs: [{ kind: "generation", block: 1, count: 2, from: 599_999 }] }],
    ["has an empty run", { runs: [{ kind: "zero", block: 1, count: 0 }] }],
    ["has hashes that are too short", { header: { ...HEADER, hashBits: 7 } }],
    ["has hashes that are too long", { header: { ...HEADER, hashBits: 64 } }],
    ["has a device that is too large", { header: { ...HEADER, ramBlocks: 2 ** 40 } }],
  ])("that %s is refused", async (_what, change) => {
    const message = { ...indexMessage(seeded(1)), runs: [], hashes: new Uint8Array(0), ...change };
    const data = await encodeIndexMessage(message, 33);
    await expect(decodeIndexMessage(data, undefined)).rejects.toMatchObject({
      code: expect.stringMatching(/^(DAMAGED|PEER)$/) as string,
    });
  });
});

describe("the other messages", () => {
  test("need", async () => {
    const random = seeded(1);
    const bits = randomBytes(random, 125);
    const plain = { from: 7, count: 1000, bits };
    const data = await encodeNeedMessage(plain);
    expect(await decodeNeedMessage(data)).toEqual(plain);
    await expectClearErrors(data, decodeNeedMessage);
    const none = await encodeNeedMessage({ from: 0, count: MAX_NEED_CONTENTS, bits: new Uint8Array(131_072) });
    expect(none.length).toBeLessThan(60);
    const much = await encodeNeedMessage({ from: 0, count: MAX_NEED_CONTENTS + 1, bits: new Uint8Array(131_073) });
    await expect(decodeNeedMessage(much)).rejects.toMatchObject({ code: "PEER" });
    const beyond = await encodeNeedMessage({ from: 0, count: 3, bits: Buffer.of(8) });
    await expect(decodeNeedMessage(beyond)).rejects.toMatchObject({ code: "PEER" });
  });

  test("frame", async () => {
    const random = seeded(2);
    const before = Buffer.concat([randomBlock(random), randomBlock(random), randomBlock(random)]);
    const content = Buffer.from(before);
    content.fill(7, 5000, 5100);
    const data = await encodeFrame(3, content, [before], 3);
    expect(data.length).toBeLessThan(200);
    const decode = (frame: Buffer): Promise<Buffer> => openFrame(frame).unpack([before]);
    expect(openFrame(data)).toMatchObject({ sequence: 3, blocks: 3 });
    expect((await decode(data)).equals(content)).toBe(true);
    await expectClearErrors(data, decode);
    const raw = await encodeFrame(0, randomBlock(random), [], 3);
    expect(raw.length).toBe(4096 + 5);
    expect(await openFrame(raw).unpack([])).toHaveLength(4096);
  });

  test("a small frame does not become a large one", async () => {
    const bomb = await encodeFrame(0, Buffer.alloc(4096 * 256), [], 3);
    // The two bytes of 256 as a varint become the one of 1.
    const claimsLess = Buffer.concat([bomb.subarray(0, 3), Buffer.of(1), bomb.subarray(5)]);
    expect(openFrame(claimsLess).blocks).toBe(1);
    await expect(openFrame(claimsLess).unpack([])).rejects.toMatchObject({ code: "DAMAGED" });
  });

  test("narrow, nodes and refetch", async () => {
    const nodes = [
      { block: 0, count: 256 },
      { block: 1000, count: 1 },
    ];
    const narrow = encodeNarrowRequest({ device: "disk", level: 1, nodes });
    expect(decodeNarrowRequest(narrow)).toEqual({ device: "disk", level: 1, nodes });
    await expectClearErrors(narrow, decodeNarrowRequest);
    const prefixes = randomBytes(seeded(3), 257 * 8);
    expect(decodeNodes(encodeNodes(prefixes), 257)).toEqual(prefixes);
    await expectClearErrors(encodeNodes(prefixes.subarray(0, 80)), (data) => decodeNodes(data, 10));
    const refetch = encodeRefetchRequest({ device: "ram", dictionary: "none", ranges: nodes });
    expect(decodeRefetchRequest(refetch)).toEqual({ device: "ram", dictionary: "none", ranges: nodes });
    await expectClearErrors(refetch, decodeRefetchRequest);
    const large = encodeRefetchRequest({ device: "ram", dictionary: "generation", ranges: [{ block: 0, count: 1_000_000 }] });
    expect(() => decodeRefetchRequest(large)).toThrow(expect.objectContaining({ code: "PEER" }));
  });
});
