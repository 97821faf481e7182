import { describe, expect, it } from "vitest";
import { HomewardError } from "../../common/errors.ts";
import { decodeSegment, encodeSegment, mergeSegments, type InputEvent } from "../../protocol/input-log.ts";
import { checkpoint, ONE_OF_EACH, randomEvents, randomSource } from "./input-log-events.ts";

/** What version 1 made of ONE_OF_EACH. If this changes, stored logs can no longer be read: make a new version. */
const GOLDEN =
  "4857494c0100d5746334450a05054030110200030a141e0801ff02010204010100611e0255611e01d201ffffffff0f0003bc05c8019003" +
  "0414130a010314b301e4fc0706c0070007000308b0a8992903";

/** Equal, or DAMAGED; anything else is a defect. */
async function expectSameOrDamaged(data: Buffer, original: readonly InputEvent[]): Promise<"same" | "damaged"> {
  try {
    expect(await decodeSegment(data)).toEqual(original);
    return "same";
  } catch (error) {
    if (!(error instanceof HomewardError)) throw error;
    expect(error.code).toBe("DAMAGED");
    return "damaged";
  }
}

describe("log segments", () => {
  it("read back one event of each kind", async () => {
    expect(await decodeSegment(await encodeSegment(ONE_OF_EACH))).toEqual(ONE_OF_EACH);
  });

  it("are byte for byte what version 1 wrote", async () => {
    expect((await encodeSegment(ONE_OF_EACH)).toString("hex")).toBe(GOLDEN);
    expect(await decodeSegment(Buffer.from(GOLDEN, "hex"))).toEqual(ONE_OF_EACH);
  });

  it("read back empty and random logs", async () => {
    expect(await decodeSegment(await encodeSegment([]))).toEqual([]);
    for (let seed = 1; seed <= 30; seed++) {
      const events = randomEvents(seed * 11, seed);
      expect(await decodeSegment(await encodeSegment(events))).toEqual(events);
    }
  });

  it("are refused when cut off anywhere", async () => {
    for (const events of [ONE_OF_EACH, randomEvents(60, 4)]) {
      const segment = await encodeSegment(events);
      for (let length = 0; length < segment.length; length++)
        expect(await expectSameOrDamaged(segment.subarray(0, length), events)).toBe("damaged");
    }
  });

  it("are refused when any bit is flipped or bytes are added", async () => {
    const segment = await encodeSegment(randomEvents(40, 5));
    for (let bit = 0; bit < segment.length * 8; bit++) {
      const damaged = Buffer.from(segment);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      await expect(decodeSegment(damaged)).rejects.toMatchObject({ code: "DAMAGED" });
    }
    await expect(decodeSegment(Buffer.concat([segment, Buffer.alloc(1)]))).rejects.toMatchObject({ code: "DAMAGED" });
  });

  it("are refused or read when the checksum fits but the content is noise", async () => {
    const random = randomSource(9);
    const { crc32 } = await import("node:zlib");
    for (let i = 0; i < 2000; i++) {
      const segment = Buffer.from(await encodeSegment(randomEvents(5, i)));
      for (let n = 0; n <= random(4); n++) segment[10 + random(segment.length - 10)] = random(256);
      segment.writeUInt32BE(crc32(segment.subarray(10), crc32(segment.subarray(0, 6))), 6);
      try {
        await decodeSegment(segment);
      } catch (error) {
        expect(error).toMatchObject({ code: "DAMAGED" });
      }
    }
  });

  it("are refused when they claim to be huge", async () => {
    await expect(decodeSegment(Buffer.alloc(3 * 1024 * 1024))).rejects.toMatchObject({ code: "DAMAGED" });
    const many = Array.from({ length: 16_385 }, (_, i): InputEvent => ({ atMs: i, kind: "network", connections: 0 }));
    await expect(encodeSegment(many)).rejects.toMatchObject({ code: "INTERNAL" });
  });

  it("hold times that run forward only", async () => {
    const events: InputEvent[] = [
      { atMs: 5, kind: "network", connections: 0 },
      { atMs: 4, kind: "network", connections: 0 },
    ];
    await expect(encodeSegment(events)).rejects.toMatchObject({ code: "INTERNAL" });
  });

  it("merge into fewer without changing the log", async () => {
    const events = randomEvents(3000, 7);
    const parts: Buffer[] = [];
    for (let at = 0; at < events.length; at += 20) parts.push(await encodeSegment(events.slice(at, at + 20)));
    const merged = await mergeSegments(parts);
    expect(merged.length).toBeLessThan(5);
    const read = (await Promise.all(merged.map(decodeSegment))).flat();
    expect(read).toEqual(events);
    expect(await mergeSegments([])).toEqual([]);
  });

  it("take the largest screen there can be", async () => {
    const cells = Array.from({ length: 512 * 512 }, (_, i): [number, number] => [i, (i * 7919) & 255]);
    const events: InputEvent[] = [{ atMs: 0, kind: "checkpoint", checkpoint: checkpoint(cells, [], 8192, 8192) }];
    expect(await decodeSegment(await encodeSegment(events))).toEqual(events);
  });
});
