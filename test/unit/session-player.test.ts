import { beforeEach, afterEach, describe, expect, test, vi } from "vitest";
import { parseSession } from "../../demo/session/format.ts";
import type { Console } from "../../demo/session/hands.ts";
import { moveDuration, pointerPath } from "../../demo/session/motion.ts";
import { playSession, type Played } from "../../demo/session/player.ts";
import { seededRandom } from "../../demo/session/random.ts";
import type { ProgressUpdate } from "../../common/progress.ts";

class FakeConsole implements Console {
  readonly width = 320;
  readonly height = 160;
  readonly log: string[] = [];
  readonly times: number[] = [];
  readonly grid = new Uint8Array(200);
  readonly frame = { lumaGrid: () => this.grid.slice() };
  readonly #listeners = new Set<() => void>();

  key(down: boolean, keysym: number): void {
    this.#note(`${down ? "+" : "-"}${keysym < 256 ? String.fromCharCode(keysym) : keysym.toString(16)}`);
  }

  pointer(x: number, y: number, buttons: number): void {
    this.#note(`${x},${y}:${buttons}`);
  }

  #note(what: string): void {
    this.log.push(what);
    this.times.push(performance.now());
  }

  onUpdate(callback: () => void): () => void {
    this.#listeners.add(callback);
    return () => {
      this.#listeners.delete(callback);
    };
  }

  paint(from: number, count: number, luma: number): void {
    this.grid.fill(luma, from, from + count);
    for (const listener of this.#listeners) listener();
  }
}

function play(client: FakeConsole, steps: unknown[], signal?: AbortSignal, updates: ProgressUpdate[] = []): Promise<Played> {
  const session = parseSession(JSON.stringify({ name: "t", description: "t", guest: "tiny", steps }));
  const progress = { update: (update: ProgressUpdate) => updates.push(update) };
  return playSession(client, session, signal === undefined ? { progress } : { progress, signal });
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

async function played(client: FakeConsole, steps: unknown[]): Promise<Played> {
  const playing = play(client, steps);
  await vi.runAllTimersAsync();
  return playing;
}

describe("typing", () => {
  test("presses and releases each key, shift where needed", async () => {
    const client = new FakeConsole();
    const { events } = await played(client, [{ type: "aB\n" }]);
    expect(client.log).toEqual(["+a", "-a", "+ffe1", "+B", "-B", "-ffe1", "+ff0d", "-ff0d"]);
    expect(events).toBe(8);
  });

  test("keeps about the pace it is told, varied, and the same each time", async () => {
    const [first, second] = [new FakeConsole(), new FakeConsole()];
    const one = await played(first, [{ type: "x".repeat(100) }]);
    await played(second, [{ type: "x".repeat(100) }]);
    expect(one.durationMs).toBeGreaterThan(8000);
    expect(one.durationMs).toBeLessThan(10_500);
    const gaps = (client: FakeConsole): number[] =>
      client.times.slice(1).map((time, i) => Math.round(time - (client.times[i] ?? 0)));
    expect(new Set(gaps(first)).size).toBeGreaterThan(10);
    expect(gaps(first)).toEqual(gaps(second));
  });

  test("chords go down in order and up in reverse", async () => {
    const client = new FakeConsole();
    await played(client, [{ keys: "ctrl-alt-t" }]);
    expect(client.log).toEqual(["+ffe3", "+ffe9", "+t", "-t", "-ffe9", "-ffe3"]);
  });
});

describe("pointing", () => {
  test("a click arrives first, then presses and releases", async () => {
    const client = new FakeConsole();
    await played(client, [{ click: { at: [10, 20], button: "right" } }]);
    expect(client.log.slice(-3)).toEqual(["10,20:0", "10,20:4", "10,20:0"]);
    expect(client.log.length).toBeGreaterThan(8);
  });

  test("a double click is quick", async () => {
    const client = new FakeConsole();
    await played(client, [{ double: [10, 20] }]);
    expect(client.log.slice(-4)).toEqual(["10,20:1", "10,20:0", "10,20:1", "10,20:0"]);
    expect((client.times.at(-1) ?? 0) - (client.times.at(-4) ?? 0)).toBeLessThan(400);
  });

  test("a drag moves with the button held", async () => {
    const client = new FakeConsole();
    await played(client, [
      {
        drag: [
          [10, 20],
          [200, 90],
        ],
      },
    ]);
    expect(client.log.slice(-2)).toEqual(["200,90:1", "200,90:0"]);
    expect(client.log.filter((event) => event.endsWith(":1")).length).toBeGreaterThan(8);
  });

  test("the wheel turns both ways", async () => {
    const client = new FakeConsole();
    await played(client, [{ scroll: { at: [160, 80], by: -2 } }, { scroll: { at: [160, 80], by: 1 } }]);
    expect(client.log.filter((event) => !event.endsWith(":0"))).toEqual(["160,80:8", "160,80:8", "160,80:16"]);
  });

  test("a place outside the screen is the session's mistake", async () => {
    const playing = play(new FakeConsole(), [{ wait: 1 }, { click: [320, 10] }]);
    const failed = expect(playing).rejects.toMatchObject({ code: "USAGE", message: expect.stringMatching(/step 2/) as string });
    await vi.runAllTimersAsync();
    await failed;
  });

  test("a movement is smooth, no denser than 60 a second, and ends where it should", () => {
    const path = pointerPath([0, 0], [400, 300], 400, seededRandom(3));
    expect(path.at(-1)).toEqual({ afterMs: 400, x: 400, y: 300 });
    expect(path.length).toBeLessThanOrEqual(25);
    const jumps = path.slice(1).map((point, i) => Math.hypot(point.x - (path[i]?.x ?? 0), point.y - (path[i]?.y ?? 0)));
    expect(Math.max(...jumps)).toBeLessThan(60);
    expect(moveDuration([0, 0], [0, 0], 400)).toBe(0);
    expect(moveDuration([0, 0], [900, 700], 400)).toBeLessThanOrEqual(600);
  });
});

describe("waiting", () => {
  test("for a still screen", async () => {
    const client = new FakeConsole();
    const playing = play(client, [{ wait_still: 1 }]);
    for (let i = 0; i < 5; i++) {
      await vi.advanceTimersByTimeAsync(500);
      client.paint(10, 20, i % 2 === 0 ? 100 : 50);
    }
    await vi.runAllTimersAsync();
    const { durationMs, neverStill } = await playing;
    expect(durationMs).toBe(3500);
    expect(neverStill).toEqual([]);
  });

  test("a blinking text cursor is still enough", async () => {
    const client = new FakeConsole();
    const playing = play(client, [{ wait_still: 1 }]);
    await vi.advanceTimersByTimeAsync(600);
    client.paint(10, 2, 200);
    await vi.advanceTimersByTimeAsync(400);
    expect((await playing).durationMs).toBe(1000);
  });

  test("for a window to open, however long that takes", async () => {
    const client = new FakeConsole();
    const playing = play(client, [{ keys: "ctrl-alt-e" }, { wait_still: { seconds: 1, changed: 10 } }]);
    await vi.advanceTimersByTimeAsync(5000);
    client.paint(0, 5, 99);
    await vi.advanceTimersByTimeAsync(3000);
    client.paint(50, 60, 200);
    await vi.advanceTimersByTimeAsync(900);
    client.paint(50, 60, 250);
    await vi.runAllTimersAsync();
    expect((await playing).durationMs).toBe(9900);
  });

  test("ends with the time-out, and says so", async () => {
    const client = new FakeConsole();
    const { neverStill } = await played(client, [{ wait: 0.1 }, { wait_still: { seconds: 1, changed: 10, timeout: 3 } }]);
    expect(neverStill).toEqual([2]);
  });
});

describe("the whole", () => {
  test("lets go of everything when stopped", async () => {
    const client = new FakeConsole();
    const controller = new AbortController();
    const playing = play(client, [{ keys: "ctrl-alt-t" }], controller.signal);
    const stopped = expect(playing).rejects.toMatchObject({ code: "CANCELLED" });
    while (!client.log.includes("+t")) await vi.advanceTimersByTimeAsync(5);
    controller.abort();
    await stopped;
    expect(client.log).toEqual(["+ffe3", "+ffe9", "+t", "-t", "-ffe9", "-ffe3"]);
  });

  test("tells how far it is, in milliseconds of an estimated total", async () => {
    const updates: ProgressUpdate[] = [];
    const playing = play(new FakeConsole(), [{ type: "abc" }, { wait: 2 }], undefined, updates);
    await vi.runAllTimersAsync();
    await playing;
    const totals = new Set(updates.map((update) => update.total));
    expect(totals.size).toBe(1);
    expect(updates.at(-1)?.done).toBe(updates.at(-1)?.total);
    expect(updates.map((update) => update.done)).toEqual([...updates.map((update) => update.done)].sort((a, b) => a - b));
    expect(updates[1]?.note).toBe("step 2 of 2");
  });
});
