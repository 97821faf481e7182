import { afterEach, describe, expect, it } from "vitest";
import { LinkRate, residualLevel, transferRate } from "../../service/migration/link-rate.ts";
import { closeAll, links } from "./migration-wire.ts";

afterEach(closeAll);

describe("the link's rate", () => {
  it("leaves the round trip out", () => {
    expect(transferRate(125_000, 1050, [50, 52, 60])).toBeCloseTo(1e6);
  });
  it("is called too fast to tell when round trips differ by more than the transfer took", () => {
    expect(transferRate(15_000, 9, [2, 10, 3])).toBe(Infinity);
    expect(transferRate(15_000, 2.5, [2, 2, 2])).toBe(Infinity);
  });
  it("is found out from a transfer", async () => {
    for (const [bitsPerSecond, level] of [
      [1e6, 19],
      [Infinity, 3],
    ] as const) {
      const { a, b } = await links({ bitsPerSecond });
      const rate = new LinkRate(a);
      const startedMs = performance.now();
      await a.sendBytes("index", Buffer.alloc(20_000));
      rate.note(20_000, startedMs);
      await b.receive();
      await expect.poll(() => rate.bitsPerSecond).not.toBeNull();
      if (bitsPerSecond < Infinity) expect(rate.bitsPerSecond).toBeGreaterThan(bitsPerSecond / 3);
      if (bitsPerSecond < Infinity) expect(rate.bitsPerSecond).toBeLessThan(bitsPerSecond * 3);
      expect(residualLevel(rate.bitsPerSecond)).toBe(level);
    }
  });
  it("decides how hard to compress", () => {
    expect([null, 1e6, 19e6, 20e6, 99e6, 100e6, Infinity].map(residualLevel)).toEqual([19, 19, 19, 9, 9, 3, 3]);
  });
});
