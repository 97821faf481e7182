import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { decode } from "../../bench/peers/overlay/decode.ts";
import { encode } from "../../bench/peers/overlay/encode.ts";
import { KIND, PAGE_BYTES, pushVarint, readVarint } from "../../bench/peers/overlay/streams.ts";

const page = (): Buffer => randomBytes(PAGE_BYTES);
const zero = Buffer.alloc(PAGE_BYTES);

/** A page with some of its words replaced. */
function changed(from: Buffer, words: number): Buffer {
  const copy = Buffer.from(from);
  for (let i = 0; i < words; i++) randomBytes(8).copy(copy, i * 8);
  return copy;
}

describe("the overlay of the comparison", () => {
  it("gives every kind of page back, and what does not fill a page", () => {
    const [a, b, c, d] = [page(), page(), page(), page()];
    const fresh = page();
    const old = Buffer.concat([a, b, c, d, zero]);
    const now = Buffer.concat([a, zero, b, changed(d, 3), fresh, fresh, changed(c, 40), changed(b, 500), Buffer.from("end")]);
    const streams = encode(old, now);
    expect(decode(old, streams).equals(now)).toBe(true);
    const kinds = [...streams.kinds].filter((_, i) => i % 2 === 0);
    expect(kinds).toEqual([KIND.same, KIND.zero, KIND.copy, KIND.patch, KIND.raw, KIND.again, KIND.similar, KIND.raw]);
  });

  it("sends only words of a page that hardly changed", () => {
    const old = Buffer.concat([page(), page()]);
    const now = Buffer.concat([old.subarray(0, PAGE_BYTES), changed(old.subarray(PAGE_BYTES), 5)]);
    expect(encode(old, now).data.length).toBe(5 * 8);
  });

  it("takes states of different length", () => {
    const [a, b] = [page(), page()];
    for (const [old, now] of [
      [Buffer.concat([a, b]), a],
      [a, Buffer.concat([a, b, a])],
      [Buffer.alloc(0), a],
      [a, Buffer.alloc(0)],
    ] as const)
      expect(decode(old, encode(old, now)).equals(now)).toBe(true);
  });

  it("refuses streams that do not belong together", () => {
    const old = Buffer.concat([page(), page()]);
    const streams = encode(old, Buffer.concat([old.subarray(PAGE_BYTES), page()]));
    for (const wrong of [
      { ...streams, references: Buffer.alloc(0) },
      { ...streams, data: streams.data.subarray(1) },
      { ...streams, size: streams.size + PAGE_BYTES },
      { ...streams, size: streams.size - PAGE_BYTES },
      { ...streams, references: Buffer.from([0, 0, 0, 0x7f]) },
      { ...streams, kinds: Buffer.from([99, 2]) },
      { ...streams, kinds: Buffer.from([KIND.same]) },
    ])
      expect(() => decode(old, wrong)).toThrow(RangeError);
  });

  it("writes numbers of any length", () => {
    for (const value of [0, 127, 128, 2 ** 31, 2 ** 40]) {
      const bytes: number[] = [];
      pushVarint(bytes, value);
      expect(readVarint(Buffer.from(bytes), 0)).toEqual([value, bytes.length]);
    }
  });
});
