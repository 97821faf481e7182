import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bytesChart, logPosition, originsChart } from "../../bench/peers/chart.ts";
import { mergedRows } from "../../bench/peers/compare.ts";
import { computedTimes, sessionResultSchema, timesFromMeasured, type Row, type SessionResult } from "../../bench/peers/method.ts";
import { cpuSeconds } from "../../bench/peers/process-tree.ts";
import { runsOf } from "../../bench/peers/states.ts";
import { BAR, formatResult } from "../../bench/peers/table.ts";
import { parseTime } from "../../bench/peers/timed.ts";
import { estimateSession } from "../../demo/session/estimate.ts";
import { parseSession } from "../../demo/session/format.ts";

const row = (method: string, bytes: number): Row => ({
  method,
  bytes,
  times: computedTimes({ bytes, encodeCpuS: 2, decodeCpuS: 1, streams: true }),
  cpu_s: 3,
  peak_bytes: 5_000_000,
  identical: true,
  note: "",
});
const origin = { zero: 0, generation: 50, twin: 30, shipped: 20 };
const result: SessionResult = {
  type: "peers",
  session: "a <b>",
  description: "Does & makes",
  played_s: 120,
  at: "2026-01-02T03:04:05.000Z",
  rows: [row("Homeward replay", 1e6), row(BAR, 2e6), row("stop-and-copy, zstd -3", 8e7)],
  origins: { overlay: { ...origin, twin: 0 }, replay: origin },
};

describe("times of the comparison", () => {
  it("takes the slowest of what works at the same time", () => {
    const [slow, , fast] = computedTimes({ bytes: 1_000_000, encodeCpuS: 2, decodeCpuS: 1, streams: true });
    expect(slow).toEqual({ mbit: 1, seconds: 8.025, how: "computed" });
    expect(fast?.seconds).toBe(2);
  });

  it("adds what works one after the other", () => {
    const [slow] = computedTimes({ bytes: 1_000_000, encodeCpuS: 2, decodeCpuS: 1, streams: false });
    expect(slow?.seconds).toBeCloseTo(11.025);
  });

  it("keeps what was measured and moves only the line's share to other rates", () => {
    const [slow, middle, fast] = timesFromMeasured(1_000_000, new Map([[10, 20.825]]));
    expect(middle).toEqual({ mbit: 10, seconds: 20.825, how: "measured" });
    expect(slow?.seconds).toBeCloseTo(28.025);
    expect(fast).toEqual({ mbit: 100, seconds: expect.closeTo(20.105) as number, how: "computed" });
  });
});

describe("figures of programs", () => {
  it("reads what GNU time wrote, also after a word about the status", () => {
    expect(parseTime("1.50 0.25 2048\n")).toEqual({ cpuS: 1.75, peakBytes: 2048 * 1024 });
    expect(parseTime("Command exited with non-zero status 1\n0.5 0 10\n").cpuS).toBe(0.5);
    expect(() => parseTime("")).toThrow();
  });

  it("counts a process and the children that ended, whatever its name is", () => {
    const fields = ["S", ...Array.from({ length: 10 }, () => "1"), "100", "50", "20", "30", "9"];
    expect(cpuSeconds(`12 (a) b c) ${fields.join(" ")}`)).toBe(2);
  });

  it("finds runs", () => {
    expect(runsOf(Uint8Array.of(1, 1, 0, 1, 0, 0, 1))).toEqual([[0, 2], [3, 1], [6, 1]]);
    expect(runsOf(new Uint8Array(3))).toEqual([]);
  });
});

describe("table and charts", () => {
  it("puts fewest bytes last and says of which bar", () => {
    const lines = formatResult(result).split("\n");
    expect(lines[0]).toBe("a <b>, 2 min 00 s: Does & makes");
    expect(lines.at(-2)).toContain("Homeward replay");
    expect(lines.at(-2)).toMatch(/1\.00 MB +50 % +~8\.0 s/);
    expect(formatResult({ ...result, rows: [{ ...row("x", 1), identical: false }] })).toContain("NOT THE SAME");
  });

  it("keeps rows that were not measured again", () => {
    const again = row("Homeward replay", 7);
    expect(mergedRows(result.rows, [again]).map(({ bytes }) => bytes)).toEqual([2e6, 8e7, 7]);
  });

  it("is a result that can be read again", () => {
    expect(sessionResultSchema.parse(JSON.parse(JSON.stringify(result)))).toEqual(result);
  });

  it("lays bytes on a logarithmic axis", () => {
    expect(logPosition(1e5, 5, 7)).toBe(0);
    expect(logPosition(1e6, 5, 7)).toBe(0.5);
    expect(logPosition(1e9, 5, 7)).toBe(1);
    expect(logPosition(0, 5, 7)).toBe(0);
  });

  it("draws a bar for every method and every origin, and escapes what people wrote", () => {
    const bytes = bytesChart([result]);
    expect(bytes.match(/<rect x=/g)).toHaveLength(3);
    expect(bytes).toContain("a &lt;b&gt;");
    expect(bytes).not.toContain("<b>");
    const origins = originsChart([result, { ...result, origins: null }]);
    // A legend of four, and four parts for each of two modes.
    expect(origins.match(/<rect x=/g)).toHaveLength(12);
  });

  it("draws without results", () => {
    expect(bytesChart([])).toContain("</svg>");
    expect(originsChart([])).toContain("</svg>");
  });
});

describe("the sessions of the comparison", () => {
  const dir = join(import.meta.dirname, "..", "..", "bench", "peers", "sessions");
  it.each(readdirSync(dir))("%s lasts two to ten minutes", (name) => {
    const minutes = estimateSession(parseSession(readFileSync(join(dir, name), "utf8"))) / 60_000;
    expect(minutes).toBeGreaterThan(2);
    expect(minutes).toBeLessThan(10);
  });
});
