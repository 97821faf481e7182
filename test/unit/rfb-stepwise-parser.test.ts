import { describe, expect, it } from "vitest";
import { StepwiseParser, type ParseSteps } from "../../vm/rfb/stepwise-parser.ts";

function* lengthPrefixed(out: string[]): ParseSteps {
  for (;;) {
    const length = (yield 1).readUInt8(0);
    if (length === 255) return;
    if (length === 254) throw new Error("bad length");
    out.push((yield length).toString("latin1"));
  }
}

describe("StepwiseParser", () => {
  const stream = Buffer.from("\x03abc\x00\x05hello\x01z", "latin1");
  const words = ["abc", "", "hello", "z"];

  it.each([1, 2, 3, 5, 100])("gives the same steps for chunks of %i bytes", (size) => {
    const out: string[] = [];
    const parser = new StepwiseParser(lengthPrefixed(out));
    for (let at = 0; at < stream.length; at += size) parser.push(stream.subarray(at, at + size));
    expect(out).toEqual(words);
    expect(parser.done).toBe(false);
  });

  it("ignores what follows the end", () => {
    const out: string[] = [];
    const parser = new StepwiseParser(lengthPrefixed(out));
    parser.push(Buffer.from("\x01a\xff\x01b", "latin1"));
    parser.push(Buffer.from("\x01c", "latin1"));
    expect(out).toEqual(["a"]);
    expect(parser.done).toBe(true);
  });

  it("throws what the steps throw, once", () => {
    const parser = new StepwiseParser(lengthPrefixed([]));
    expect(() => {
      parser.push(Buffer.from([254, 1, 2]));
    }).toThrow("bad length");
    parser.push(Buffer.from([254]));
    expect(parser.done).toBe(true);
  });

  it("takes 30 MB in odd pieces in linear time", () => {
    let rows = 0;
    const parser = new StepwiseParser(
      (function* (): ParseSteps {
        for (;;) {
          yield 4096;
          rows++;
        }
      })(),
    );
    const piece = Buffer.alloc(64 * 1024 - 1);
    const start = performance.now();
    for (let i = 0; i < 480; i++) parser.push(piece);
    expect(rows).toBe(Math.floor((480 * piece.length) / 4096));
    expect(performance.now() - start).toBeLessThan(5000);
  });
});
