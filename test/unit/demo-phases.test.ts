import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Cleanup } from "../../demo/cleanup.ts";
import { Phases } from "../../demo/phases.ts";
import type { Reporter } from "../../demo/reporter.ts";
import type { ProgressUpdate } from "../../common/progress.ts";

class FakeReporter implements Reporter {
  readonly updates: ProgressUpdate[] = [];
  readonly done: string[] = [];
  update(update: ProgressUpdate): void {
    this.updates.push(update);
  }
  phaseDone(title: string): void {
    this.done.push(title);
  }
  say(): void {
    throw new Error("not expected");
  }
  error(): void {
    throw new Error("not expected");
  }
  report(): void {
    throw new Error("not expected");
  }
}

describe("Phases", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance", "setTimeout"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  async function after(ms: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms);
  }

  it("remembers how long each took", async () => {
    const reporter = new FakeReporter();
    const phases = new Phases(reporter);
    const running = phases.run("first", 10, () => new Promise((resolve) => setTimeout(resolve, 2500, "result")));
    await after(2500);
    expect(await running).toBe("result");
    expect(phases.took).toEqual([["first", 2.5]]);
    expect(reporter.done).toEqual(["first"]);
  });

  it("names the phase with every step, and passes on what has an end", async () => {
    const reporter = new FakeReporter();
    await new Phases(reporter).run("migrate", 10, (progress) => {
      progress.update({ phase: "replay", done: 3, total: 9, unit: "steps" });
      return Promise.resolve();
    });
    expect(reporter.updates.at(-1)).toEqual({ phase: "migrate: replay", done: 3, total: 9, unit: "steps" });
  });

  it("gives a step without an end the phase's usual one", async () => {
    const reporter = new FakeReporter();
    const running = new Phases(reporter).run("migrate", 10, async (progress) => {
      await new Promise((resolve) => setTimeout(resolve, 4000));
      progress.update({ phase: "ship", done: 30_000, unit: "bytes" });
    });
    await after(4000);
    await running;
    expect(reporter.updates.at(-1)).toEqual({
      phase: "migrate: ship",
      done: 4000,
      total: 10_000,
      unit: "ms",
      note: "30.0 kB",
    });
  });

  it("goes on by itself while a phase is silent, and stops with it", async () => {
    const reporter = new FakeReporter();
    const running = new Phases(reporter).run("compare", 3, () => new Promise((resolve) => setTimeout(resolve, 5000)));
    await after(5000);
    await running;
    const last = reporter.updates.at(-1);
    expect(last?.phase).toBe("compare");
    expect(last?.done).toBeGreaterThan(4000);
    expect(last?.total).toBeUndefined();
    expect(reporter.updates.filter(({ total }) => total === 3000).length).toBeGreaterThanOrEqual(2);
    const count = reporter.updates.length;
    await after(5000);
    expect(reporter.updates.length).toBe(count);
  });

  it("does not count a phase that failed", async () => {
    const reporter = new FakeReporter();
    const phases = new Phases(reporter);
    await expect(phases.run("x", 1, () => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
    expect(phases.took).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("Cleanup", () => {
  it("undoes everything in reverse, also after a failure, and tells what failed", async () => {
    const undone: string[] = [];
    const cleanup = new Cleanup();
    const step = (name: string) => (): Promise<void> => {
      undone.push(name);
      return name === "second" ? Promise.reject(new Error("stuck")) : Promise.resolve();
    };
    for (const name of ["first", "second", "third"]) cleanup.add(step(name));
    const problems = await cleanup.run();
    expect(undone).toEqual(["third", "second", "first"]);
    expect(problems.map(({ message }) => message)).toEqual(["stuck"]);
    expect(await cleanup.run()).toEqual([]);
  });
});
