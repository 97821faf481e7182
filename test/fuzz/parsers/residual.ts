import assert from "node:assert/strict";
import {
  BLOCK_BYTES,
  checksumOf,
  decodeIndexMessage,
  decodeNarrowRequest,
  decodeNeedMessage,
  decodeNodes,
  decodeRefetchRequest,
  encodeFrame,
  encodeIndexMessage,
  encodeModelFrame,
  encodeNarrowRequest,
  encodeNeedMessage,
  encodeNodes,
  encodeRefetchRequest,
  openFrame,
  packHashes,
  unpackHashes,
  type IndexMessage,
  type IndexRun,
} from "../../../protocol/residual.ts";
import { zstdCompress } from "../../../common/zstd.ts";
import { FRAME_BLOCKS } from "../../../protocol/residual/limits.ts";
import { chooseHashBits } from "../../../protocol/residual/hash-bits.ts";
import { IncomingIndex } from "../../../syncer/incoming-index.ts";
import { PagePacker, PageUnpacker } from "../../../syncer/page-model/page-packer.ts";
import type { FuzzedParser, ParserCode } from "../parser.ts";
import { pick, randomBytes, type Random } from "../random.ts";

const HEADER = { hashBits: 33, ramBlocks: 20_000, diskBlocks: 100_000 };
const ENVELOPE: ParserCode = { file: "protocol/residual/envelope.ts" };

function indexMessage(random: Random, sequence: number, most: number): IndexMessage {
  const runs: IndexRun[] = [];
  let block = random(50);
  let hashes = 0;
  for (let i = random(most); i > 0; i--) {
    const count = 1 + random(5);
    const kind = random(4);
    if (kind === 0) runs.push({ kind: "zero", block, count });
    else if (kind === 1 && hashes > count) runs.push({ kind: "repeat", block, count, content: random(hashes - count) });
    else if (kind === 2) runs.push({ kind: "generation", block, count, from: random(HEADER.ramBlocks + HEADER.diskBlocks - count) });
    else {
      runs.push({ kind: "hashed", block, count });
      hashes += count;
    }
    block += count + random(20);
  }
  const { hashBits } = HEADER;
  const carried = unpackHashes(packHashes(randomBytes(random, hashes * 8), hashBits), hashes, hashBits);
  const header = sequence === 0 ? HEADER : undefined;
  return { sequence, last: random(2) === 0, header, device: pick(random, ["ram", "disk"]), runs, hashes: carried };
}

/** What the source says is dirty. An input is the first message of an index, or one after it. */
export function index(): FuzzedParser {
  return {
    name: "index",
    code: [{ file: "protocol/residual/index-message.ts" }, { file: "protocol/residual/hash-bits.ts" }, ENVELOPE],
    shape: "bytes",
    codes: ["PEER", "DAMAGED"],
    // A bitmap of the largest device.
    largestBytes: 64 * 1024 * 1024,
    valid: (random) =>
      Promise.all(
        Array.from({ length: 60 }, (_, i) =>
          encodeIndexMessage(indexMessage(random, i % 3 === 0 ? 1 : 0, i % 2 === 0 ? 4 : 60), HEADER.hashBits),
        ),
      ),
    parse: async (input) => {
      assert.ok(chooseHashBits(input.length) >= 28);
      const sizes = { ram: HEADER.ramBlocks, disk: HEADER.diskBlocks };
      const first = await decodeIndexMessage(input, undefined).catch(() => undefined);
      const known = first === undefined ? HEADER : undefined;
      const message = first ?? (await decodeIndexMessage(input, HEADER));
      const bits = (message.header ?? HEADER).hashBits;
      assert.deepEqual(await decodeIndexMessage(await encodeIndexMessage(message, bits), known), message);
      if (known === undefined) {
        const incoming = new IncomingIndex(sizes);
        await incoming.add(input);
        assert.equal(incoming.contents * 8, message.hashes.length);
        const dirty = message.runs.reduce((sum, { count }) => sum + count, 0);
        assert.equal(incoming.dirty[message.device].count(), dirty);
      }
      return true;
    },
  };
}

/** Some messages of one index, in a row; each has its length before it. */
export function indexSequence(): FuzzedParser {
  return {
    name: "index-sequence",
    code: [{ file: "syncer/incoming-index.ts" }],
    shape: "bytes",
    codes: ["PEER", "DAMAGED"],
    valid: async (random) => {
      const sequences: Buffer[] = [];
      for (let i = 0; i < 20; i++) {
        const parts: Buffer[] = [];
        const count = 1 + random(3);
        const diskFrom = 1 + random(3);
        for (let sequence = 0; sequence < count; sequence++) {
          const made = indexMessage(random, sequence, 12);
          const offset = sequence * 1000;
          const runs = made.runs.map((run) => ({ ...run, block: run.block + offset }));
          const whole: IndexMessage = { ...made, runs, last: sequence === count - 1, device: sequence >= diskFrom ? "disk" : "ram" };
          const data = await encodeIndexMessage(whole, HEADER.hashBits);
          const length = Buffer.alloc(2);
          length.writeUInt16BE(data.length);
          parts.push(length, data);
        }
        sequences.push(Buffer.concat(parts));
      }
      return sequences;
    },
    parse: async (input) => {
      const incoming = new IncomingIndex({ ram: HEADER.ramBlocks, disk: HEADER.diskBlocks });
      for (let at = 0; at + 2 <= input.length; ) {
        const length = input.readUInt16BE(at);
        await incoming.add(input.subarray(at + 2, at + 2 + length));
        at += 2 + length;
      }
      const count = (runs: Iterable<{ readonly count: number }>): number => [...runs].reduce((sum, run) => sum + run.count, 0);
      assert.equal(count(incoming.zeroRuns()), incoming.zero);
      assert.equal(count(incoming.repeatRuns()), incoming.repeats);
      assert.equal(count(incoming.generationRuns()), incoming.generation);
      for (const { from, count: blocks } of incoming.generationRuns())
        assert.ok(from.block + blocks <= (from.device === "ram" ? HEADER.ramBlocks : HEADER.diskBlocks));
      const dirty = incoming.dirty.ram.count() + incoming.dirty.disk.count();
      assert.equal(incoming.zero + incoming.generation + incoming.repeats + incoming.contents, dirty);
      assert.equal(incoming.high.length, incoming.contents);
      assert.equal(incoming.low.length, incoming.contents);
      assert.ok(incoming.hashBits > 32 || incoming.low.every((bits) => bits === 0), "bits that the index does not carry");
      for (let content = 0; content < incoming.contents; content++) {
        const { device, block } = incoming.place(content);
        assert.ok(incoming.dirty[device].has(block) || !incoming.complete);
      }
      return incoming.complete;
    },
  };
}

/** What the destination lacks. */
export function need(): FuzzedParser {
  return {
    name: "need",
    code: [{ file: "protocol/residual/need-message.ts" }, ENVELOPE],
    shape: "bytes",
    codes: ["PEER", "DAMAGED"],
    // A bit for each content that one message may speak of.
    largestBytes: 1024 * 1024,
    valid: (random) =>
      Promise.all(
        Array.from({ length: 40 }, () => {
          const count = random(400);
          // All of them: that is packed.
          if (random(4) === 0) return encodeNeedMessage({ from: 0, count: 8 * count, bits: Buffer.alloc(count, 255) });
          const bits = randomBytes(random, Math.ceil(count / 8));
          if (count % 8 !== 0) bits[bits.length - 1] = (bits.at(-1) ?? 0) & ((1 << (count % 8)) - 1);
          return encodeNeedMessage({ from: random(1000), count, bits });
        }),
      ),
    parse: async (input) => {
      const message = await decodeNeedMessage(input);
      assert.deepEqual(await decodeNeedMessage(await encodeNeedMessage(message)), message);
      return true;
    },
  };
}

/** A frame that a model packed, which has not packed anything before. */
async function modelFrame(sequence: number, content: Buffer, base: Buffer): Promise<Buffer> {
  const { isData, packed } = new PagePacker().pack(content, base.subarray(0, content.length));
  const data = Buffer.concat([...isData].flatMap((is, i) => (is === 1 ? [content.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES)] : [])));
  const rest = data.length === 0 ? data : await zstdCompress(data, { level: 3 });
  return encodeModelFrame(sequence, isData.length, { packed, data: rest, checksum: checksumOf(content) });
}

/** Contents of blocks. */
export function residualFrame(): FuzzedParser {
  const dictionary = [Buffer.alloc(BLOCK_BYTES, 7)];
  const base = Buffer.alloc(BLOCK_BYTES * FRAME_BLOCKS, 7);
  // One for all inputs: a model is 20 MB of tables, and whatever it has learnt before, no input may harm it.
  const unpacker = new PageUnpacker();
  return {
    name: "residual",
    code: [{ file: "protocol/residual/frame-message.ts" }, { ...ENVELOPE, functions: ["openMessage", "peer"] }],
    shape: "bytes",
    codes: ["PEER", "DAMAGED"],
    largestBytes: 2 * 1024 * 1024,
    valid: (random) =>
      Promise.all(
        Array.from({ length: 24 }, (_, i) => {
          const bytes = (1 + random(3)) * BLOCK_BYTES;
          const content = i % 3 === 0 ? randomBytes(random, bytes) : Buffer.alloc(bytes, i);
          if (i % 4 === 0) return modelFrame(random(500), content, base);
          return encodeFrame(random(500), content, dictionary, 3);
        }),
      ),
    parse: async (input) => {
      const frame = openFrame(input);
      if (frame.model !== null) {
        const pages = unpacker.unpack(frame.model.packed, base.subarray(0, frame.blocks * BLOCK_BYTES));
        assert.equal(pages.content.length, frame.blocks * BLOCK_BYTES);
        assert.equal(pages.isData.length, frame.blocks);
        return true;
      }
      const content = await frame.unpack(dictionary);
      assert.equal(content.length, frame.blocks * BLOCK_BYTES);
      const again = openFrame(await encodeFrame(frame.sequence, content, dictionary, 1));
      assert.equal(again.sequence, frame.sequence);
      assert.deepEqual(await again.unpack(dictionary), content);
      return true;
    },
  };
}

function ranges(random: Random): { block: number; count: number }[] {
  let block = random(1000);
  return Array.from({ length: 1 + random(20) }, () => {
    const range = { block, count: 1 + random(30) };
    block += range.count + random(100);
    return range;
  });
}

/** Questions and answers about hash trees, and blocks that are asked for again. */
export function repair(): FuzzedParser {
  return {
    name: "repair",
    code: [{ file: "protocol/residual/repair-messages.ts" }],
    shape: "bytes",
    codes: ["PEER", "DAMAGED"],
    valid: (random) =>
      Array.from({ length: 45 }, (_, i) => {
        const device = pick(random, ["ram", "disk"] as const);
        if (i % 3 === 0) return encodeNarrowRequest({ device, level: random(4), nodes: ranges(random) });
        if (i % 3 === 1) return encodeNodes(randomBytes(random, 8 * 5));
        return encodeRefetchRequest({ device, dictionary: pick(random, ["generation", "none"]), ranges: ranges(random) });
      }),
    parse: (input) => {
      const kind = input[1] ?? 0;
      if (kind === 5) assert.equal(decodeNodes(input, 5).length, 40);
      else if (kind === 6) {
        const request = decodeRefetchRequest(input);
        assert.deepEqual(decodeRefetchRequest(encodeRefetchRequest(request)), request);
      } else {
        const request = decodeNarrowRequest(input);
        assert.deepEqual(decodeNarrowRequest(encodeNarrowRequest(request)), request);
      }
      return true;
    },
  };
}
