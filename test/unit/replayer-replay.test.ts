import { describe, expect, test } from "vitest";
import type { InputEvent } from "../../protocol/input-log.ts";
import { limitOf, record, replayOn, shellThenEditor, type Person } from "./replayer-person.ts";
import { F2, F3 } from "./replayer-world.ts";

describe("a replay on the same desktop", () => {
  test("matches everything, types the same into the same windows and leaves think time out", async () => {
    const { events, desktop: original } = await record({}, shellThenEditor);
    const { report, desktop } = await replayOn({}, events);
    expect(report.gaveUp).toBeNull();
    expect(report.checkpoints.missed).toBe(0);
    expect(report.checkpoints.matched).toBe(report.checkpoints.total);
    expect(desktop.terminalText).toBe(original.terminalText);
    expect(desktop.editorText).toBe("dear world\nhello\n");
    expect(desktop.grid).toEqual(original.grid);
    expect(report.replayMs).toBeLessThan(report.recordedMs / 3);
    expect(report.events).toBe(report.recordedEvents);
    expect(report.path.map((segment) => segment.kind)).toEqual(["same"]);
  });

  test("waits for a slow program before it types", async () => {
    const { events } = await record({ openMs: 500 }, shellThenEditor);
    const { report, desktop } = await replayOn({ openMs: 4500 }, events);
    expect(desktop.editorText).toBe("dear world\nhello\n");
    expect(desktop.terminalText).toBe("ls -la\n");
    expect(report.checkpoints.missed).toBe(0);
  });

  test("sends every event, in order, never more slowly than recorded and no key within 12 ms of the last", async () => {
    const { events } = await record({}, shellThenEditor);
    const { desktop } = await replayOn({}, events);
    const keys = events.filter((event) => event.kind === "key");
    expect(desktop.received.map((event) => event.what)).toEqual(
      keys.map((event) => `${event.down ? "+" : "-"}${event.keysym}`),
    );
    const gaps = desktop.received.slice(1).map((event, i) => event.atMs - (desktop.received[i]?.atMs ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(12);
  });

  test("keeps a double click one", async () => {
    const { events } = await record({}, async (person) => {
      await person.look(1000);
      await person.click(100, 100);
      await person.click(101, 100);
      await person.look(1000);
    });
    const { report, desktop } = await replayOn({}, events, {}, (twin) => {
      twin.paint([
        [600, 1],
        [601, 1],
        [602, 1],
      ]);
    });
    const presses = desktop.received.filter((event) => event.what.endsWith(":1"));
    expect((presses[1]?.atMs ?? 0) - (presses[0]?.atMs ?? 0)).toBeLessThan(200);
    expect(report.steps.map((step) => step.outcome)).toEqual(["missed", "skipped", "matched"]);
  });
});

describe("a replay that goes wrong", () => {
  test("notices that a missing program let the words go to the terminal", async () => {
    const { events } = await record({}, shellThenEditor);
    const { report, desktop } = await replayOn({ openMs: undefined }, events);
    expect(desktop.editorText).toBe("");
    expect(report.checkpoints.missed).toBeGreaterThanOrEqual(2);
    expect(report.path.some((segment) => segment.kind === "left")).toBe(true);
  });

  test("notices one word in the wrong window", async () => {
    const { events } = await record({}, async (person) => {
      await person.look(1000);
      await person.press(F2);
      await person.look(3000);
      await person.type("word");
      await person.look(1000);
    });
    const { report } = await replayOn({}, events, {}, (twin) => {
      // The window opens but the keys go elsewhere.
      const key = twin.key.bind(twin);
      twin.key = (down, keysym) => {
        if (keysym === F2) key(down, keysym);
        else if (down) twin.paint([[200 + (keysym % 100), 150]]);
      };
    });
    expect(report.steps.at(-1)?.outcome).toBe("missed");
  });

  test("gives up after six misses in a row, in bounded time", async () => {
    const { events } = await record({}, async (person) => {
      for (let i = 0; i < 20; i++) {
        await person.look(2000);
        await person.type("abc\n");
      }
    });
    const { report } = await replayOn({}, events, {}, (twin) => {
      twin.grid.fill(180);
    });
    expect(report.gaveUp).toMatch(/6 pictures in a row/);
    expect(report.checkpoints).toEqual({ total: 6, matched: 0, missed: 6 });
    expect(report.events).toBeLessThan(report.recordedEvents);
    expect(report.replayMs).toBeLessThanOrEqual(await limitOf(events));
    expect(report.maskedCells).toBe(0);
  });

  test("gives up when more than a third of the pictures differ", async () => {
    const { events } = await record({}, async (person) => {
      for (let i = 0; i < 20; i++) {
        await person.look(2000);
        await person.press(F3);
      }
    });
    let presses = 0;
    const { report } = await replayOn({}, events, {}, (twin) => {
      const key = twin.key.bind(twin);
      twin.key = (down, keysym) => {
        key(down, keysym);
        // Every other time there is a new difference elsewhere.
        if (down && ++presses % 2 === 0) twin.paint([0, 1, 2].map((i) => [700 + presses * 3 + i, 255]));
      };
    });
    expect(report.gaveUp).toMatch(/of \d+ pictures/);
    expect(report.checkpoints.total).toBe(12);
  });

  test("another guest's screen size matches nothing", async () => {
    const { events } = await record({}, shellThenEditor);
    const { report } = await replayOn({}, events, {}, (twin) => {
      Object.defineProperty(twin, "width", { value: 1024 });
    });
    expect(report.checkpoints.matched).toBe(0);
    expect(report.checkpoints.missed).toBeGreaterThanOrEqual(4);
  });

  test("a missing end picture is a miss and stays within the time limit, settling included", async () => {
    const { events } = await record({}, shellThenEditor);
    const last = events.at(-1);
    if (last?.kind !== "checkpoint") throw new Error("no end picture");
    const cells = new Map(last.checkpoint.cells);
    for (let i = 0; i < 30; i++) cells.set(100 + i, 255);
    const changed: InputEvent[] = [
      ...events.slice(0, -1),
      { ...last, checkpoint: { ...last.checkpoint, cells } },
    ];
    let settling = false;
    const { report } = await replayOn({}, changed, {
      settled: (signal) =>
        new Promise((_, reject) => {
          settling = true;
          signal.addEventListener("abort", () => {
            reject(new Error("aborted"));
          });
        }),
    });
    expect(settling).toBe(true);
    expect(report.steps.at(-1)?.outcome).toBe("missed");
    expect(report.gaveUp).toBeNull();
    expect(report.replayMs).toBeLessThanOrEqual(await limitOf(changed, report.speed));
  });
});

describe("what differs for good", () => {
  const fiveCommands = async (person: Person): Promise<void> => {
    for (let i = 0; i < 5; i++) {
      await person.look(2500);
      await person.type("ps\n");
    }
    await person.look(2500);
  };

  test("a running clock costs one miss at most", async () => {
    const { events } = await record({ clock: true }, fiveCommands);
    const { report } = await replayOn({ clock: true }, events);
    expect(report.checkpoints.missed).toBeLessThanOrEqual(1);
    expect(report.gaveUp).toBeNull();
    expect(report.maskedCells).toBeLessThanOrEqual(3);
  });

  test("process numbers are missed once each and masked", async () => {
    const { events } = await record({ processNumber: 7 }, fiveCommands);
    const { report } = await replayOn({ processNumber: 12 }, events);
    expect(report.gaveUp).toBeNull();
    expect(report.checkpoints.missed).toBeLessThanOrEqual(5);
    expect(report.maskedCells).toBeGreaterThan(0);
    expect(report.path.map((segment) => segment.kind)).toContain("returned");
    expect(report.replayMs).toBeLessThanOrEqual(await limitOf(events));
  });
});
