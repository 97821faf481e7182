import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RecordingClock } from "../../recorder/recording-clock.ts";
import { watchForSleep } from "../../service/workspaces/host-sleep.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("recorded time", () => {
  it("goes on from before, stands still while stopped, and counts a sleep for little", () => {
    let now = 1000;
    const clock = new RecordingClock(500, () => now);
    const pass = (ms: number): void => {
      now += ms;
      vi.advanceTimersByTime(ms);
    };
    pass(400);
    expect(clock.nowMs).toBe(900);
    // Long without being asked is nothing unusual: it is the timer that did not come.
    for (let i = 0; i < 60; i++) pass(1000);
    expect(clock.nowMs).toBe(60_900);
    now += 3_600_000;
    expect(clock.nowMs).toBe(65_900);
    clock.stop();
    pass(10_000);
    expect(clock.nowMs).toBe(65_900);
    clock.start();
    pass(250.7);
    expect(clock.nowMs).toBe(66_150);
    clock.close();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a computer that sleeps", () => {
  it("is noticed when it wakes, as is a process that was stopped; one that is slow is not", () => {
    let [wall, running] = [0, 0];
    const jumps: number[] = [];
    const stop = new AbortController();
    watchForSleep(stop.signal, (ms) => jumps.push(ms), { wall: () => wall, running: () => running });
    const pass = (wallMs: number, runningMs: number): void => {
      wall += wallMs;
      running += runningMs;
      vi.advanceTimersByTime(1000);
    };
    pass(1000, 1000);
    pass(4000, 4000);
    pass(1300, 1000);
    expect(jumps).toEqual([]);
    pass(3_601_000, 1000);
    expect(jumps).toEqual([3_600_000]);
    pass(1000, 1000);
    pass(-6000, 1000);
    pass(901_000, 901_000);
    expect(jumps).toEqual([3_600_000, -7000, 900_000]);
    stop.abort();
    expect(vi.getTimerCount()).toBe(0);
  });
});
