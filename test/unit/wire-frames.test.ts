import { describe, expect, it } from "vitest";
import { HomewardError } from "../../common/errors.ts";
import {
  BYTE_KINDS,
  ByteCounter,
  FRAMES,
  FRAME_HEADER_BYTES,
  FrameParser,
  MAX_FRAME_BYTES,
  WIRE_MAGIC,
  WIRE_VERSION,
  frameHeader,
  type Frame,
  type FrameName,
} from "../../protocol/wire.ts";
import { decodeMessage, encodeMessage, MESSAGES, type MessageName } from "../../protocol/wire/messages.ts";

const HELLO = encodeMessage("hello", { magic: WIRE_MAGIC, version: WIRE_VERSION, host: "alpha" });

function frame(name: FrameName, payload: Uint8Array = new Uint8Array(0)): Buffer {
  return Buffer.concat([frameHeader(name, payload.length), payload]);
}

function header(length: number, type: number): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES);
  bytes.writeUInt32BE(length, 0);
  bytes.writeUInt8(type, 4);
  return bytes;
}

/** All that comes out. */
function feed(parser: FrameParser, bytes: Buffer): Frame[] {
  return [...parser.push(bytes)];
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return error instanceof HomewardError ? error.code : String(error);
  }
  return "nothing";
}

/** Small, repeatable pseudo-random numbers (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

describe("frames", () => {
  const sample: [FrameName, Buffer][] = [
    ["hello", HELLO],
    ["ping", Buffer.alloc(0)],
    ["index", Buffer.from("index bytes")],
    ["residual", Buffer.alloc(70_000, 7)],
    ["needEnd", Buffer.alloc(0)],
    ["ping", Buffer.alloc(0)],
  ];
  const bytes = Buffer.concat(sample.map(([name, payload]) => frame(name, payload)));
  const expectSample = (frames: Frame[]): void => {
    expect(frames.map(({ name }) => name)).toEqual(sample.map(([name]) => name));
    for (const [i, { payload }] of frames.entries()) expect(payload.equals(sample[i]?.[1] ?? HELLO)).toBe(true);
  };

  it("has this form on the wire", () => {
    expect(frame("offer", Buffer.from("{}")).toString("hex")).toBe("000000020a7b7d");
    expect(frame("ping").toString("hex")).toBe("0000000002");
  });

  it("gives every type a number and a kind of its own", () => {
    const types = Object.values(FRAMES).map(({ type }) => type);
    expect(new Set(types).size).toBe(types.length);
    for (const { kind, max } of Object.values(FRAMES)) {
      expect(BYTE_KINDS).toContain(kind);
      expect(max).toBeLessThanOrEqual(MAX_FRAME_BYTES);
    }
  });

  it("come out whole when they arrive at once", () => {
    expectSample(feed(new FrameParser(), bytes));
  });

  it("come out whole when they arrive byte by byte", () => {
    const parser = new FrameParser();
    const frames: Frame[] = [];
    for (let at = 0; at < bytes.length; at++) frames.push(...feed(parser, bytes.subarray(at, at + 1)));
    expectSample(frames);
    parser.end();
  });

  it("come out whole however they are cut", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const next = random(seed);
      const parser = new FrameParser();
      const frames: Frame[] = [];
      for (let at = 0; at < bytes.length; ) {
        const size = 1 + Math.floor(next() ** 3 * 20_000);
        frames.push(...feed(parser, bytes.subarray(at, at + size)));
        at += size;
      }
      expectSample(frames);
    }
  });

  it("do not change when the chunk they came in is used again", () => {
    const chunk = Buffer.from(bytes);
    const frames = feed(new FrameParser(), chunk);
    chunk.fill(0);
    expectSample(frames);
  });

  it("are refused when they are too long, on the header alone", () => {
    for (const [name, { type, max }] of Object.entries(FRAMES)) {
      const parser = new FrameParser();
      if (name !== "hello") feed(parser, frame("hello", HELLO));
      expect(codeOf(() => feed(parser, header(max + 1, type)))).toBe("PEER");
    }
    const parser = new FrameParser();
    feed(parser, frame("hello", HELLO));
    expect(codeOf(() => feed(parser, header(0xffffffff, FRAMES.residual.type)))).toBe("PEER");
  });

  it("are refused when their type is unknown", () => {
    const known = new Set<number>(Object.values(FRAMES).map(({ type }) => type));
    for (let type = 0; type < 256; type++) {
      if (known.has(type)) continue;
      const parser = new FrameParser();
      feed(parser, frame("hello", HELLO));
      expect(codeOf(() => feed(parser, header(0, type)))).toBe("PEER");
    }
  });

  it("count although nonsense follows in the same chunk", () => {
    const heard: string[] = [];
    const parser = new FrameParser();
    expect(
      codeOf(() => {
        for (const { name } of parser.push(Buffer.concat([frame("hello", HELLO), frame("needEnd"), header(0, 255)]))) heard.push(name);
      }),
    ).toBe("PEER");
    expect(heard).toEqual(["hello", "needEnd"]);
  });

  it("begin with a greeting, and only one", () => {
    expect(codeOf(() => feed(new FrameParser(), frame("ping")))).toBe("PEER");
    const parser = new FrameParser();
    feed(parser, frame("hello", HELLO));
    expect(codeOf(() => feed(parser, frame("hello", HELLO)))).toBe("PEER");
  });

  it("refuse what is not a Homeward host at all", () => {
    for (const text of ["GET / HTTP/1.1\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "RFB 003.008\n", "\0\0\0\0\0\0\0\0"])
      expect(codeOf(() => feed(new FrameParser(), Buffer.from(text)))).toBe("PEER");
  });

  it("may not be cut off by the end", () => {
    const parser = new FrameParser();
    feed(parser, frame("hello", HELLO));
    parser.end();
    feed(parser, frame("index", Buffer.alloc(10)).subarray(0, 12));
    expect(codeOf(() => {
      parser.end();
    })).toBe("PEER");
  });

  it("are never sent longer than they may be", () => {
    expect(codeOf(() => frameHeader("hello", 1025))).toBe("INTERNAL");
  });
});

describe("a parser fed with damaged bytes", () => {
  const good = Buffer.concat([
    frame("hello", HELLO),
    frame("index", Buffer.alloc(500, 3)),
    frame("needEnd"),
    frame("residual", Buffer.alloc(3000, 9)),
    frame("verdict", encodeMessage("verdict", { id: crypto.randomUUID(), verdict: "kept" })),
  ]);

  it("gives frames within their limits or a PEER error, never anything else", () => {
    const next = random(42);
    const outcomes = { frames: 0, refused: 0 };
    for (let round = 0; round < 3000; round++) {
      const data = Buffer.from(good);
      const damages = 1 + Math.floor(next() * 4);
      // Most damage near the start of a frame, where it matters.
      for (let i = 0; i < damages; i++) data[Math.floor(next() ** 2 * data.length)] = Math.floor(next() * 256);
      const parser = new FrameParser();
      try {
        for (let at = 0; at < data.length; ) {
          const size = 1 + Math.floor(next() * 700);
          for (const { name, payload } of feed(parser, data.subarray(at, at + size))) {
            expect(payload.length).toBeLessThanOrEqual(FRAMES[name].max);
            outcomes.frames++;
            if (name in MESSAGES) decodeAny(name as MessageName, payload);
          }
          at += size;
        }
      } catch (error) {
        if (!(error instanceof HomewardError) || error.code !== "PEER") throw error;
        outcomes.refused++;
      }
    }
    expect(outcomes.refused).toBeGreaterThan(100);
    expect(outcomes.frames).toBeGreaterThan(100);
  });

  it("gives a PEER error for random bytes", () => {
    const next = random(7);
    for (let round = 0; round < 2000; round++) {
      const data = Buffer.from(Array.from({ length: 64 }, () => Math.floor(next() * 256)));
      expect(codeOf(() => feed(new FrameParser(), data))).toBe("PEER");
    }
  });
});

function decodeAny(name: MessageName, payload: Buffer): void {
  decodeMessage(name, payload);
}

describe("messages", () => {
  it("keep what they hold", () => {
    const message = { phase: "replay", done: 3, total: 40, unit: "steps" } as const;
    expect(decodeMessage("progress", encodeMessage("progress", message))).toEqual(message);
  });

  it("are refused when they are not JSON, or not the right JSON", () => {
    for (const text of ["", "{", "null", "[]", "{}", '{"id":"1"}', '{"id":7}', "\u0000", '{"id":"x","verdict":"released"}'])
      expect(codeOf(() => decodeMessage("verdict", Buffer.from(text)))).toBe("PEER");
  });

  it("may not bring fields that nobody asked for", () => {
    const id = crypto.randomUUID();
    expect(codeOf(() => decodeMessage("release", Buffer.from(JSON.stringify({ id, force: true }))))).toBe("PEER");
  });

  it("let a newer version greet with more", () => {
    const hello = Buffer.from(JSON.stringify({ magic: WIRE_MAGIC, version: 9, host: "beta", features: ["x"] }));
    expect(decodeMessage("hello", hello).version).toBe(9);
  });

  it("bind the host's name to what may be a folder's name", () => {
    const hello = Buffer.from(JSON.stringify({ magic: WIRE_MAGIC, version: 1, host: "../../etc" }));
    expect(codeOf(() => decodeMessage("hello", hello))).toBe("PEER");
  });
});

describe("the byte counter", () => {
  it("counts headers, and its kinds sum to the total", () => {
    const counter = new ByteCounter();
    counter.add("hello", 40);
    counter.add("index", 1000);
    counter.add("need", 0);
    counter.add("deviceEnd", 20);
    const { total, ...kinds } = counter.toJSON();
    expect(kinds).toEqual({ control: 45, index: 1005, need: 5, device: 25, log: 0, residual: 0 });
    expect(total).toBe(Object.values(kinds).reduce((a, b) => a + b, 0));
  });
});
