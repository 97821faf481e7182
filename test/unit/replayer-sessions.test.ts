import { describe, expect, test } from "vitest";
import { encodeSegment } from "../../protocol/input-log.ts";
import { limitOf, record, replayOn, shellThenEditor, type Person } from "./replayer-person.ts";
import { COLUMNS, ROWS, type DesktopTraits } from "./replayer-world.ts";

/** A desktop on a host that is so many times slower. */
function slower(traits: DesktopTraits, times: number): DesktopTraits {
  const { echoMs = 20, openMs = 1500, workMs = 300 } = traits;
  return { ...traits, echoMs: echoMs * times, openMs: openMs * times, workMs: workMs * times };
}

describe("a slower host", () => {
  const traits = { workMs: 1500 };
  const busyMorning = async (person: Person): Promise<void> => {
    await shellThenEditor(person);
    for (let i = 0; i < 5; i++) {
      await person.look(2500);
      await person.type("more of it\n");
    }
  };
  const commands = async (person: Person): Promise<void> => {
    for (let i = 0; i < 25; i++) {
      await person.look(2500);
      await person.type("make\n");
    }
  };

  test.each([2, 4])("%i times slower matches wholly, within the time that its speed is worth", async (times) => {
    for (const script of [busyMorning, commands]) {
      const { events, desktop: original } = await record(traits, script);
      const { report, desktop } = await replayOn(slower(traits, times), events);
      expect(report.gaveUp).toBeNull();
      expect(report.checkpoints.missed).toBe(0);
      expect(desktop.terminalText).toBe(original.terminalText);
      expect(desktop.editorText).toBe(original.editorText);
      expect(report.speed).toBeGreaterThanOrEqual(0.2);
      expect(report.replayMs).toBeLessThanOrEqual(await limitOf(events, report.speed));
    }
  });

  test("is found out: at the recorded host's speed the time would not have been enough", async () => {
    const { events } = await record(traits, commands);
    const { report } = await replayOn(slower(traits, 4), events);
    expect(report.speed).toBeLessThan(0.5);
    expect(report.replayMs).toBeGreaterThan(await limitOf(events));
  });

  test("that is slow for a while only, is given more time for that while only", async () => {
    const { events } = await record(traits, commands);
    const { report } = await replayOn(traits, events, {}, (twin) => {
      const key = twin.key.bind(twin);
      let presses = 0;
      twin.key = (down, keysym) => {
        if (down) presses++;
        // A load that goes away after the fifth command.
        twin.slowness = presses <= 25 ? 4 : 1;
        key(down, keysym);
      };
    });
    expect(report.gaveUp).toBeNull();
    expect(report.checkpoints.missed).toBe(0);
    expect(report.speed).toBeGreaterThan(0.4);
    expect(report.speed).toBeLessThan(1);
  });

  test("is not what a replay into something else is taken for", async () => {
    const { events } = await record(traits, commands);
    const { report } = await replayOn(slower(traits, 4), events, {}, (twin) => {
      twin.grid.fill(180);
    });
    expect(report.gaveUp).not.toBeNull();
    expect(report.speed).toBe(1);
    expect(report.replayMs).toBeLessThanOrEqual(await limitOf(events));
  });

  test("a wrong first guess is soon forgotten", async () => {
    const { events } = await record(traits, commands);
    const { report } = await replayOn(traits, events, { speed: 0.2 });
    expect(report.checkpoints.missed).toBe(0);
    expect(report.speed).toBeGreaterThan(0.5);
    expect(report.replayMs).toBeLessThanOrEqual(await limitOf(events));
  });
});

describe("a held key", () => {
  test("repeats as it did in the recording, whatever was looked at meanwhile", async () => {
    const { events } = await record({}, async (person, recorder) => {
      await person.look(1000);
      recorder.key(true, 0x61);
      await person.look(500);
      for (let i = 0; i < 10; i++) {
        recorder.key(true, 0x61);
        recorder.pointer(i, i, 0);
        await person.look(33);
      }
      recorder.key(false, 0x61);
      await person.look(1000);
    });
    const { report, desktop } = await replayOn({}, events);
    expect(report.checkpoints.missed).toBe(0);
    const downs = desktop.received.filter(({ what }) => what === "+97").map(({ atMs }) => atMs);
    const first = downs[0] ?? 0;
    expect(downs.map((atMs) => atMs - first)).toEqual([0, ...Array.from({ length: 10 }, (_, i) => 500 + 33 * i)]);
  });
});

describe("a video", () => {
  const CELLS = COLUMNS * ROWS;

  test.each([0.2, 0.4])("on %d of the screen costs no miss, and the rest is still waited for", async (share) => {
    const video = Math.floor(CELLS * share);
    const { events } = await record({ video, openMs: 500 }, async (person) => {
      await person.look(3000);
      for (let i = 0; i < 5; i++) {
        await person.type("ls -la\n");
        await person.look(4000);
      }
    });
    const { report, desktop } = await replayOn({ video, workMs: 1500 }, events);
    expect(report.checkpoints).toMatchObject({ missed: 0, total: 11 });
    expect(desktop.terminalText).toBe("ls -la\n".repeat(5));
    expect(report.replayMs).toBeLessThan(report.recordedMs);
    expect(report.maskedCells).toBe(0);
  });

  test("on the whole screen: nothing to compare, so actions come when they did, but for the time spent watching", async () => {
    const { events } = await record({ video: CELLS }, async (person) => {
      for (let i = 0; i < 10; i++) {
        await person.look(6000);
        await person.click(100, 100);
      }
    });
    const { report, desktop } = await replayOn({ video: CELLS }, events);
    expect(report.gaveUp).toBeNull();
    expect(report.checkpoints.total).toBe(0);
    expect(desktop.received).toHaveLength(20);
    expect(report.replayMs).toBeLessThanOrEqual(await limitOf(events));
  });

  test("on part of the screen does not hide that a program never came", async () => {
    const video = Math.floor(CELLS * 0.2);
    const { events } = await record({ video }, shellThenEditor);
    const { report } = await replayOn({ video, openMs: undefined }, events);
    expect(report.checkpoints.missed).toBeGreaterThanOrEqual(2);
  });
});

describe("half an hour at low pace", () => {
  test("is replayed in the time of its work alone, with a report of bounded size", { timeout: 120_000 }, async () => {
    const traits = { clock: true, workMs: 800 };
    const { events } = await record(traits, async (person, recorder) => {
      for (let minute = 0; minute < 30; minute++) {
        await person.type("ls -la\n");
        await person.look(21_000);
        for (let x = 0; x < 300; x += 10) {
          recorder.pointer(x, 200, 0);
          await person.look(20);
        }
        await person.click(300, 200);
        await person.look(17_000);
        await person.press(0xffc0);
        await person.look(19_000);
      }
    });
    expect(events.at(-1)?.atMs).toBeGreaterThan(29 * 60_000);
    const { report } = await replayOn(traits, events);
    expect(report.gaveUp).toBeNull();
    // The clock, until it is masked.
    expect(report.checkpoints.missed).toBeLessThanOrEqual(1);
    expect(report.recordedMs - report.thinkMs).toBeLessThan(report.recordedMs / 4);
    expect(report.replayMs).toBeLessThanOrEqual(await limitOf(events, report.speed));
    expect(report.replayMs).toBeLessThan(report.recordedMs / 6);
    expect(report.path.length).toBeLessThanOrEqual(3);
    expect((await encodeSegment(events)).length).toBeLessThan(64 * 1024);
  });
});
