import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { HomewardError } from "../../common/errors.ts";
import { decodeSegment, type InputEvent } from "../../protocol/input-log.ts";
import { SegmentWriter } from "../../recorder/segment-writer.ts";
import { checkpoint } from "./input-log-events.ts";

class Disk {
  readonly segments: { seq: number; data: Buffer; firstMs: number; lastMs: number; events: number }[] = [];
  full = false;
  attempts = 0;
  readonly store = (seq: number, data: Buffer, firstMs: number, lastMs: number, events: number): Promise<void> => {
    this.attempts++;
    if (this.full) return Promise.reject(new HomewardError("NO_ROOM", "disk full"));
    this.segments.push({ seq, data, firstMs, lastMs, events });
    return Promise.resolve();
  };
  async events(): Promise<InputEvent[]> {
    return (await Promise.all(this.segments.map(({ data }) => decodeSegment(data)))).flat();
  }
}

function key(atMs: number): InputEvent {
  return { atMs, kind: "key", down: true, keysym: 0x61, keycode: 30 };
}

function motion(atMs: number, x: number): InputEvent & { kind: "pointer" } {
  return { atMs, kind: "pointer", x, y: 1, buttons: 0 };
}

describe("SegmentWriter", () => {
  let disk: Disk;
  let errors: HomewardError[];
  let writer: SegmentWriter;

  beforeEach(() => {
    disk = new Disk();
    errors = [];
    writer = new SegmentWriter(disk.store, 7, (error) => errors.push(error));
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("stores on flush, numbered from where it was told", async () => {
    writer.add(key(1));
    writer.add(key(2));
    await writer.flush();
    writer.add(key(3));
    await writer.flush();
    await writer.flush();
    expect(disk.segments.map(({ seq, firstMs, lastMs, events }) => [seq, firstMs, lastMs, events])).toEqual([
      [7, 1, 2, 2],
      [8, 3, 3, 1],
    ]);
    expect(writer.events).toBe(3);
    expect(writer.bytes).toBe(disk.segments.reduce((sum, { data }) => sum + data.length, 0));
  });

  it("stores by itself within a second", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    writer.add(key(1));
    vi.advanceTimersByTime(1000);
    vi.useRealTimers();
    await writer.flush();
    expect(disk.segments).toHaveLength(1);
  });

  it("keeps one motion in 20 ms, the last, and never one across another event", async () => {
    for (const [atMs, x] of [[0, 1], [5, 2], [19, 3], [20, 4], [30, 5]] as const) writer.addMotion(motion(atMs, x));
    writer.add(key(31));
    writer.addMotion(motion(32, 6));
    await writer.flush();
    writer.addMotion(motion(34, 7));
    await writer.flush();
    expect((await disk.events()).map((event) => (event.kind === "pointer" ? event.x : event.kind))).toEqual([
      3, 5, "key", 6, 7,
    ]);
  });

  it("keeps order when flushes overlap", async () => {
    const flushes: Promise<void>[] = [];
    for (let i = 0; i < 50; i++) {
      writer.add(key(i));
      flushes.push(writer.flush());
    }
    await Promise.all(flushes);
    expect((await disk.events()).map(({ atMs }) => atMs)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(disk.segments.map(({ seq }) => seq)).toEqual(disk.segments.map((_, i) => 7 + i));
  });

  it("splits what is too much for one segment", async () => {
    for (let i = 0; i < 5000; i++) writer.add(key(i));
    await writer.flush();
    expect(disk.segments.length).toBe(3);
    expect(await disk.events()).toHaveLength(5000);
  });

  it("tries again after a failure and reports it once", async () => {
    disk.full = true;
    writer.add(key(1));
    await expect(writer.flush()).rejects.toMatchObject({ code: "NO_ROOM" });
    writer.add(key(2));
    await expect(writer.flush()).rejects.toMatchObject({ code: "NO_ROOM" });
    disk.full = false;
    await writer.flush();
    expect((await disk.events()).map(({ atMs }) => atMs)).toEqual([1, 2]);
  });

  it("gives up with a mark when the disk takes nothing for long", async () => {
    disk.full = true;
    const cells = Array.from({ length: 12 }, (_, i): [number, number] => [i, i]);
    for (let i = 0; i < 60_000; i++)
      writer.add({ atMs: i, kind: "checkpoint", checkpoint: checkpoint(cells) });
    writer.addMotion(motion(60_000, 1));
    writer.addMotion(motion(60_001, 1));
    await vi.waitFor(() => {
      expect(errors.map(({ code }) => code)).toContain("NO_ROOM");
    });
    disk.full = false;
    await writer.flush();
    const events = await disk.events();
    expect(events.length).toBeLessThan(60_000);
    expect(events.at(-1)).toMatchObject({ kind: "mark", mark: "record-pause" });
    expect(events.slice(0, -1).every(({ kind }) => kind === "checkpoint")).toBe(true);
  });
});
