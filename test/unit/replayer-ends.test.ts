import { describe, expect, test } from "vitest";
import type { InputEvent, PowerAction } from "../../protocol/input-log.ts";
import { replay, replaySummary } from "../../replayer/replay.ts";
import { limitOf, record, replayOn, shellThenEditor } from "./replayer-person.ts";
import { F3, FakeDesktop, SimulatedClock } from "./replayer-world.ts";

describe("ends and bounds", () => {
  test("stops at once when aborted, and lets go of what it holds", async () => {
    const { events } = await record({}, shellThenEditor);
    const controller = new AbortController();
    const clock = new SimulatedClock();
    const desktop = new FakeDesktop(clock);
    const key = desktop.key.bind(desktop);
    desktop.key = (down, keysym) => {
      key(down, keysym);
      if (desktop.received.length === 3) controller.abort();
    };
    const running = replay({ events, screen: desktop, sink: desktop, clock, signal: controller.signal });
    await expect(clock.run(running)).rejects.toMatchObject({ code: "CANCELLED" });
    expect(desktop.received).toHaveLength(4);
    expect(desktop.received[3]?.what).toBe(desktop.received[2]?.what.replace("+", "-"));
  });

  test("is no failure when it is enough, wherever that comes, and lets go of what it holds", async () => {
    const { events } = await record({}, shellThenEditor);
    for (const inputs of [0, 3, 9]) {
      const enough = new AbortController();
      const clock = new SimulatedClock();
      const desktop = new FakeDesktop(clock);
      const key = desktop.key.bind(desktop);
      desktop.key = (down, keysym) => {
        key(down, keysym);
        if (desktop.received.length === inputs) enough.abort();
      };
      if (inputs === 0) enough.abort();
      const settled = (): Promise<void> => Promise.reject(new Error("not waited for"));
      const report = await clock.run(replay({ events, screen: desktop, sink: desktop, clock, enough: enough.signal, settled }));
      expect(report).toMatchObject({ gaveUp: "waiting for the rest did not pay any more", recordedEvents: expect.any(Number) as number });
      expect(report.events).toBe(inputs);
      const held = desktop.received.map(({ what }) => what).filter((what) => /^[+-]/.test(what));
      expect(held.filter((what) => what.startsWith("+"))).toHaveLength(held.filter((what) => what.startsWith("-")).length);
    }
  });

  test("is over at once when it is enough while the disk settles", async () => {
    const { events } = await record({}, shellThenEditor);
    const enough = new AbortController();
    const clock = new SimulatedClock();
    const desktop = new FakeDesktop(clock);
    const settled = (): Promise<void> => {
      enough.abort();
      return new Promise(() => undefined);
    };
    const report = await clock.run(replay({ events, screen: desktop, sink: desktop, clock, enough: enough.signal, settled }));
    expect(report.gaveUp).toBeNull();
  });

  test("a paused recording ends the replay there", async () => {
    const { events } = await record({}, async (person, recorder) => {
      await person.look(1000);
      await person.type("ab\n");
      await person.look(1000);
      recorder.events.push({ atMs: recorder.events.at(-1)?.atMs ?? 0, kind: "mark", mark: "record-pause" });
      await person.type("secret\n");
    });
    const { report, desktop } = await replayOn({}, events);
    expect(report.gaveUp).toBe("recording was paused");
    expect(desktop.received.filter((event) => event.what.startsWith("+"))).toHaveLength(3);
  });

  test("host power events are sent, guest ones only expected; network is noted", async () => {
    const { events } = await record({}, async (person, recorder) => {
      await person.look(1000);
      await person.type("a\n");
      recorder.events.push(
        { atMs: 2000, kind: "power", action: "guest-reset" },
        { atMs: 2500, kind: "network", connections: 3 },
        { atMs: 3000, kind: "power", action: "host-reset" },
      );
      await person.look(3000);
    });
    const { report, desktop } = await replayOn({}, events);
    expect(desktop.received.at(-1)?.what).toBe("host-reset");
    expect(desktop.received.filter((event) => event.what.includes("reset"))).toHaveLength(1);
    expect(report.occurrences.map((occurrence) => occurrence.text)).toEqual([
      "the guest restarted",
      "the guest had 3 connections open",
    ]);
  });

  test("a machine that was switched off is turned on, one that runs is reset", async () => {
    const power = (atMs: number, action: PowerAction): InputEvent => ({ atMs, kind: "power", action });
    const { report, desktop } = await replayOn({}, [
      power(100, "host-powerdown"),
      power(900, "guest-shutdown"),
      { atMs: 900, kind: "mark", mark: "resume" },
      power(950, "host-reset"),
      power(5000, "host-off"),
      power(5050, "host-reset"),
    ]);
    expect(desktop.received.map(({ what }) => what)).toEqual(["host-powerdown", "power-on", "host-reset"]);
    expect(report.occurrences.map(({ text }) => text)).toEqual(["the guest shut down", "resume", "its plug was pulled"]);
  });

  test("an empty log is replayed at once", async () => {
    const { report } = await replayOn({}, []);
    expect(report).toMatchObject({ events: 0, gaveUp: null, checkpoints: { total: 0 }, path: [] });
  });

  test("input without any picture is replayed at the recorded pace", async () => {
    const events: InputEvent[] = [1000, 1040, 4000, 4040].map((atMs, i) => ({
      atMs,
      kind: "key",
      down: i % 2 === 0,
      keysym: 97,
      keycode: 30,
    }));
    const { report, desktop } = await replayOn({}, events);
    expect(report.checkpoints.total).toBe(0);
    expect((desktop.received[2]?.atMs ?? 0) - (desktop.received[1]?.atMs ?? 0)).toBe(2960);
  });

  test("a slower host gets more time", async () => {
    const { events } = await record({ workMs: 2000 }, async (person) => {
      for (let i = 0; i < 8; i++) {
        await person.type("make\n");
        await person.look(2500);
      }
    });
    const slow = { workMs: 5000, echoMs: 50 };
    const { report } = await replayOn(slow, events, { speed: 0.4 });
    expect(report.checkpoints.missed).toBe(0);
    const { report: atOne } = await replayOn(slow, events);
    expect(atOne.replayMs).toBeLessThanOrEqual(await limitOf(events, atOne.speed));
  });

  test("the summary is small whatever the length", async () => {
    const { events } = await record({ processNumber: 3 }, async (person) => {
      for (let i = 0; i < 60; i++) {
        await person.look(1000);
        await person.press(F3);
      }
    });
    const { report } = await replayOn({}, events);
    expect(JSON.stringify(replaySummary(report)).length).toBeLessThan(8000);
  });
});
