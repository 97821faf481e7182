import { describe, expect, it } from "vitest";
import { HomewardError } from "../../common/errors.ts";
import {
  decodeSegment,
  encodeSegment,
  mergeSegments,
  readableEvents,
  type InputEvent,
  type NumberedSegment,
} from "../../protocol/input-log.ts";
import { readEvents, writeEvents } from "../../protocol/input-log/event-codec.ts";
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

function numbered(parts: readonly Buffer[]): NumberedSegment[] {
  return parts.map((data, seq) => ({ data, seq }));
}

function unharmed(error: HomewardError): never {
  throw error;
}

/** What can be read of a log, and what is said about the rest. */
async function readable(segments: readonly NumberedSegment[]): Promise<{ events: InputEvent[]; said: string[] }> {
  const events: InputEvent[] = [];
  const said: string[] = [];
  for await (const event of readableEvents(segments, ({ message }) => said.push(message))) events.push(event);
  return { events, said };
}

describe("a log of which a segment is bad", () => {
  const all = randomEvents(300, 9);
  const parts = (): Promise<Buffer[]> =>
    Promise.all([all.slice(0, 100), all.slice(100, 200), all.slice(200)].map(encodeSegment));

  it.each<[string, (log: NumberedSegment[]) => NumberedSegment[], RegExp]>([
    ["cut", ([a, b, c]) => [a, { ...b, data: b?.data.subarray(0, 50) }, c] as NumberedSegment[], /after 100 events/],
    [
      "flipped",
      (log) => {
        const data = log[1]?.data ?? Buffer.alloc(0);
        data[40] = (data[40] ?? 0) ^ 4;
        return log;
      },
      /after 100 events: .*checksum/,
    ],
    ["missing", (log) => log.filter(({ seq }) => seq !== 1), /after 100 events: segment 1 is missing/],
    ["from another place", ([a, b, c]) => [a, c, b] as NumberedSegment[], /segment 1 is missing/],
    ["from an earlier time", ([a]) => [a, { ...a, seq: 1 }] as NumberedSegment[], /after 100 events: segment 1 begins before/],
    ["missing at the start", (log) => log.slice(1), /after 0 events/],
  ])("which is %s is read up to there, and says so", async (_, harm, message) => {
    const { events, said } = await readable(harm(numbered(await parts())));
    expect(said).toEqual([expect.stringMatching(message)]);
    expect(events).toEqual(all.slice(0, events.length));
    expect([0, 100]).toContain(events.length);
    const heard: string[] = [];
    const merged = await mergeSegments(harm(numbered(await parts())), (error) => heard.push(error.message));
    expect((await Promise.all(merged.map(decodeSegment))).flat()).toEqual(events);
    expect(heard).toEqual(said);
  });

  it("says nothing when none is", async () => {
    expect(await readable(numbered(await parts()))).toEqual({ events: all, said: [] });
  });
});

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
    const merged = await mergeSegments(numbered(parts), unharmed);
    expect(merged.length).toBeLessThan(5);
    const read = (await Promise.all(merged.map(decodeSegment))).flat();
    expect(read).toEqual(events);
    expect(await mergeSegments([], unharmed)).toEqual([]);
  });

  it("cannot grow out of proportion: a few bytes name all cells of a screen", async () => {
    const volatile = Array.from({ length: 512 * 512 }, (_, cell) => cell);
    const pictures = Array.from({ length: 5 }, (_, atMs): InputEvent => ({ atMs, kind: "checkpoint", checkpoint: checkpoint([], volatile, 8192, 8192) }));
    expect(await decodeSegment(await encodeSegment(pictures.slice(1)))).toEqual(pictures.slice(1));
    await expect(encodeSegment(pictures)).rejects.toMatchObject({ code: "INTERNAL" });
    const raw = writeEvents(pictures);
    expect(raw.length).toBeLessThan(100);
    expect(() => readEvents(raw)).toThrow(expect.objectContaining({ code: "DAMAGED" }) as Error);
    // What is split by size in bytes comes out in segments that are read again.
    const parts = await Promise.all(pictures.map((event) => encodeSegment([event])));
    const merged = await mergeSegments(numbered(parts), unharmed);
    expect((await Promise.all(merged.map(decodeSegment))).map((events) => events.length)).toEqual([1, 1, 1, 1, 1]);
  });

  it("take the largest screen there can be", async () => {
    const cells = Array.from({ length: 512 * 512 }, (_, i): [number, number] => [i, (i * 7919) & 255]);
    const events: InputEvent[] = [{ atMs: 0, kind: "checkpoint", checkpoint: checkpoint(cells, [], 8192, 8192) }];
    expect(await decodeSegment(await encodeSegment(events))).toEqual(events);
  });
});
