import { describe, expect, it } from "vitest";
import { ProgressDisplay } from "../../common/progress-display.ts";
import { JsonLines } from "../../common/progress-json.ts";
import { formatBytes, formatCapacity, formatCount, formatSeconds, formatShare } from "../../common/quantities.ts";
import { formatTable } from "../../common/table.ts";
import { TimeLeft } from "../../common/time-left.ts";

class FakeTerminal {
  text = "";
  readonly isTTY: boolean;
  readonly columns = 60;
  nowMs = 0;

  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }

  write(text: string): void {
    this.text += text;
  }

  readonly now = (): number => this.nowMs;
}

describe("quantities", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [999.6, "1.00 kB"],
    [1234, "1.23 kB"],
    [99_960, "100 kB"],
    [999_500, "1.00 MB"],
    [5_400_000_000, "5.40 GB"],
  ])("%d bytes", (bytes, expected) => {
    expect(formatBytes(bytes)).toBe(expected);
  });

  it.each([
    [0.064, "0.06 s"],
    [4.25, "4.3 s"],
    [9.96, "10 s"],
    [59.6, "1 min 00 s"],
    [3725, "1 h 02 min"],
  ])("%d seconds", (seconds, expected) => {
    expect(formatSeconds(seconds)).toBe(expected);
  });

  it("sizes of memory and disks", () => {
    expect([134_217_728, 3_221_225_472, 1_610_612_736].map(formatCapacity)).toEqual(["128 MiB", "3 GiB", "1.5 GiB"]);
  });

  it("counts and shares", () => {
    expect(formatCount(1_234_567)).toBe("1\u202f234\u202f567");
    expect(formatShare(1, 20)).toBe("5.0 %");
    expect(formatShare(16, 100)).toBe("16 %");
    expect(formatShare(1, 0)).toBe("–");
  });

  it("tables", () => {
    expect(formatTable([["a", "1"], ["bcd", "22"]], ["left", "right"], "> ")).toBe("> a     1\n> bcd  22");
  });
});

describe("TimeLeft", () => {
  it("follows an even pace", () => {
    const left = new TimeLeft();
    for (let ms = 0; ms <= 4000; ms += 500) left.update(ms / 100, ms);
    expect(left.estimate(100, 4000)).toBeCloseTo(6000, 0);
    expect(left.estimate(100, 4500)).toBeCloseTo(5500, 0);
  });

  it("says nothing at first, without a total, and while nothing moves", () => {
    const left = new TimeLeft();
    left.update(0, 0);
    left.update(1, 300);
    expect(left.estimate(10, 300)).toBeUndefined();
    left.update(2, 2000);
    expect(left.estimate(undefined, 2000)).toBeUndefined();
    const stuck = new TimeLeft();
    stuck.update(0, 0);
    stuck.update(0, 5000);
    expect(stuck.estimate(10, 5000)).toBeUndefined();
  });

  it("follows a change of pace within seconds", () => {
    const left = new TimeLeft();
    for (let ms = 0; ms <= 10_000; ms += 500) left.update(ms / 10, ms);
    for (let ms = 10_500; ms <= 40_000; ms += 500) left.update(1000 + (ms - 10_000) / 100, ms);
    const seconds = (left.estimate(1400, 40_000) ?? 0) / 1000;
    expect(seconds).toBeGreaterThan(7);
    expect(seconds).toBeLessThan(12);
  });

  it("starts anew when the work does", () => {
    const left = new TimeLeft();
    for (let ms = 0; ms <= 4000; ms += 500) left.update(ms, ms);
    left.update(0, 4500);
    expect(left.estimate(100, 4500)).toBeUndefined();
  });
});

describe("ProgressDisplay", () => {
  it("rewrites one line on a terminal, never wider than it", () => {
    const terminal = new FakeTerminal(true);
    const display = new ProgressDisplay(terminal, terminal.now);
    display.update({ phase: "copy", done: 1_000_000, total: 4_000_000, unit: "bytes", note: "x".repeat(80) });
    expect(terminal.text).toMatch(/^\r\u001b\[K\[#{6}-{18}\] copy: 1\.00 MB of 4\.00 MB, x+$/);
    expect(terminal.text.length - "\r\u001b[K".length).toBe(59);
    display.line("done");
    expect(terminal.text).toMatch(/\r\u001b\[Kdone\n$/);
  });

  it("redraws at most ten times a second", () => {
    const terminal = new FakeTerminal(true);
    const display = new ProgressDisplay(terminal, terminal.now);
    for (; terminal.nowMs < 1000; terminal.nowMs += 5)
      display.update({ phase: "copy", done: terminal.nowMs, total: 1000, unit: "blocks" });
    expect(terminal.text.split("\r").length - 1).toBe(10);
  });

  it("elsewhere writes a line at most once a second", () => {
    const terminal = new FakeTerminal(false);
    const display = new ProgressDisplay(terminal, terminal.now);
    for (; terminal.nowMs < 20_000; terminal.nowMs += 50)
      display.update({ phase: terminal.nowMs % 100 === 0 ? "a" : "b", done: terminal.nowMs, unit: "steps" });
    expect(terminal.text).not.toContain("\r");
    expect(terminal.text.trim().split("\n").length).toBeLessThanOrEqual(20);
  });

  it("elsewhere says nothing of what takes less than a second", () => {
    const terminal = new FakeTerminal(false);
    const display = new ProgressDisplay(terminal, terminal.now);
    for (; terminal.nowMs < 1000; terminal.nowMs += 50) display.update({ phase: "copy", done: 1, unit: "steps" });
    expect(terminal.text).toBe("");
  });

  it("shows the time left, which needs no estimate where the total is a time", () => {
    const terminal = new FakeTerminal(false);
    const display = new ProgressDisplay(terminal, terminal.now);
    terminal.nowMs = 1000;
    display.update({ phase: "session", done: 15_000, total: 75_000, unit: "ms" });
    expect(terminal.text).toBe("session: 15 s of 1 min 15 s, 1 min 00 s left\n");
  });

  it("keeps control characters off the terminal", () => {
    const terminal = new FakeTerminal(false);
    const display = new ProgressDisplay(terminal, terminal.now);
    terminal.nowMs = 1000;
    display.update({ phase: "x\u001b[2J", done: 1, unit: "steps", note: "\u009b31m" });
    expect(terminal.text).toBe("x [2J: 1 steps,  31m\n");
  });
});

describe("JsonLines", () => {
  it("writes the first and the last of a phase, and some between", () => {
    const lines: string[] = [];
    let nowMs = 0;
    const json = new JsonLines(
      (text) => lines.push(text),
      () => nowMs,
    );
    for (let done = 0; done <= 100; done++, nowMs += 10) json.update({ phase: "copy", done, total: 100, unit: "blocks" });
    json.update({ phase: "copy", done: 100, total: 100, unit: "blocks" });
    const parsed = lines.map((line) => JSON.parse(line) as { done: number; type: string; left_s?: number });
    expect(parsed.map(({ done }) => done)).toEqual([0, 25, 50, 75, 100]);
    expect(parsed.every(({ type }) => type === "progress")).toBe(true);
    expect(lines.every((line) => line.endsWith("}\n"))).toBe(true);
  });
});
