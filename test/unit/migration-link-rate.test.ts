import { afterEach, describe, expect, it } from "vitest";
import { LinkRate, residualLevel, transferRate } from "../../service/migration/link-rate.ts";
import { closeAll, links } from "./migration-wire.ts";

afterEach(closeAll);

describe("the link's rate", () => {
  it("leaves the round trip out", () => {
    expect(transferRate(125_000, 1050, [50, 52, 60])).toBeCloseTo(1e6);
  });
  it("is called too fast to tell when round trips differ by more than the transfer took", () => {
    expect(transferRate(15_000, 6, [2, 7, 3])).toBe(Infinity);
    expect(transferRate(15_000, 2.5, [2, 2, 2])).toBe(Infinity);
  });
  it("is not known when round trips differ by as much as a slow link would take", () => {
    expect(transferRate(35_000, 330, [310, 400, 350])).toBeNull();
    expect(transferRate(15_000, 9, [2, 10, 3])).toBeNull();
  });
  it("is found out from a transfer", async () => {
    for (const [bitsPerSecond, bytes, levels] of [
      [1e6, 20_000, [20]],
      // So long that a busy computer does not hide it.
      [Infinity, 1_000_000, [3, 9]],
    ] as const) {
      const { a, b } = await links({ bitsPerSecond });
      const rate = new LinkRate(a);
      const startedMs = performance.now();
      await a.sendBytes("residual", Buffer.alloc(bytes));
      rate.note(bytes, startedMs);
      await b.receive();
      await expect.poll(() => rate.bitsPerSecond).not.toBeNull();
      if (bitsPerSecond < Infinity) expect(rate.bitsPerSecond).toBeGreaterThan(bitsPerSecond / 3);
      if (bitsPerSecond < Infinity) expect(rate.bitsPerSecond).toBeLessThan(bitsPerSecond * 3);
      expect(levels).toContain(residualLevel(rate.bitsPerSecond, 10_000));
    }
  });
  it("decides how hard to compress", () => {
    const levels = [1e6, 2.9e6, 3e6, 19e6, 20e6, 99e6, 100e6, Infinity].map((rate) => residualLevel(rate, 10_000));
    expect(levels).toEqual([20, 20, 19, 19, 9, 9, 3, 3]);
    expect([10, 10_000].map((blocks) => residualLevel(null, blocks))).toEqual([20, 19]);
  });
});
