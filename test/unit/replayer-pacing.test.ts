import { describe, expect, test } from "vitest";
import { Allowance, PACE, spacing } from "../../replayer/pacing.ts";
import type { Input } from "../../replayer/plan.ts";
import { PressedInput } from "../../replayer/pressed.ts";
import { diskSettled } from "../../replayer/settle.ts";
import { guessedSpeed, SLOWEST, Tempo } from "../../replayer/tempo.ts";
import { SimulatedClock } from "./replayer-world.ts";

const key: Input = { atMs: 0, kind: "key", down: true, keysym: 97, keycode: 30 };
const at = (buttons: number): Input => ({ atMs: 0, kind: "pointer", x: 1, y: 1, buttons });

describe("spacing", () => {
  test("is shorter than recorded, never longer, and leaves the guest time", () => {
    expect(spacing(key, key, 150, 1)).toBeCloseTo(150 * PACE.keyFactor);
    expect(spacing(key, key, 40, 1)).toBe(PACE.keyMs);
    expect(spacing(key, key, 5, 1)).toBe(5);
    expect(spacing(at(0), at(0), 16, 1)).toBe(PACE.pointerMs);
    expect(spacing(at(0), at(1), 80, 1)).toBe(PACE.buttonMs);
    expect(spacing(at(1), key, 20, 1)).toBe(20);
    expect(spacing(key, { atMs: 0, kind: "power", action: "host-reset" }, 200, 1)).toBe(200);
  });
});

describe("the tempo", () => {
  test("is what the twin took for what the recorded guest took a known time for", () => {
    const tempo = new Tempo(1);
    expect(tempo.speed).toBe(1);
    for (let i = 0; i < 20; i++) tempo.shown(1000, 4000);
    expect(tempo.speed).toBeCloseTo(0.25, 2);
    for (let i = 0; i < 20; i++) tempo.shown(1000, 200);
    expect(tempo.speed).toBeGreaterThan(0.95);
  });

  test("keeps within bounds, and learns nothing from an echo", () => {
    const tempo = new Tempo(0);
    expect(tempo.speed).toBe(SLOWEST);
    tempo.shown(20, 5000);
    expect(tempo.speed).toBe(SLOWEST);
    for (let i = 0; i < 3; i++) tempo.shown(1000, 1000);
    expect(tempo.speed).toBeGreaterThan(0.5);
    expect(new Tempo(7).speed).toBe(1);
  });

  test("is first guessed from how many wait for the processors", () => {
    expect(guessedSpeed(0, 2)).toBe(1);
    expect(guessedSpeed(4, 2)).toBe(1);
    expect(guessedSpeed(8, 2)).toBe(0.5);
    expect(guessedSpeed(500, 2)).toBe(SLOWEST);
  });

  test("stretches the gaps between events, never beyond what was recorded", () => {
    expect(spacing(key, key, 150, 0.5)).toBeCloseTo((150 * PACE.keyFactor) / 0.5);
    expect(spacing(key, key, 40, 0.2)).toBe(40);
    expect(spacing(at(0), at(0), 500, 0.5)).toBeCloseTo((500 * PACE.pointerFactor) / 0.5);
  });
});

describe("the allowance", () => {
  const step = { index: 5, activeBeforeMs: 20_000, reactionMs: 500, idleMs: 10_000 };

  test("ends with the whole replay's limit", () => {
    const allowance = new Allowance(30_000, 10);
    expect(allowance.limitMs).toBe(49_000);
    expect(allowance.deadline(step, 48_999, 0, 1)).toBeLessThanOrEqual(49_000);
  });

  test("lets a step use what earlier ones saved, but not all of it", () => {
    const allowance = new Allowance(30_000, 10);
    const patience = PACE.reactionFactor * 500 + PACE.stepGraceMs + PACE.stepThinkMs;
    expect(allowance.deadline(step, 5000, 0, 1)).toBe(5000 + patience);
    expect(allowance.deadline(step, 5000, 2, 1)).toBe(5000 + patience / 3);
    expect(allowance.deadline(step, 33_000, 0, 1)).toBeLessThan(26_000 + PACE.slackMs);
  });

  test("leaves part of the slack for settling", () => {
    const allowance = new Allowance(0, 1);
    expect(allowance.deadline({ index: 0, activeBeforeMs: 0, reactionMs: 9000, idleMs: 0 }, 0, 0, 1)).toBeLessThanOrEqual(
      PACE.slackMs * PACE.slackShareLast,
    );
  });

  test("grows on a slower host, for what was slow only", () => {
    const slow = new Allowance(30_000, 10);
    expect(slow.deadline(step, 30_000, 0, 1)).toBeLessThan(26_000 + PACE.slackMs);
    expect(slow.deadline(step, 30_000, 0, 0.5)).toBeGreaterThan(30_000 + PACE.stepGraceMs);
    slow.took(step, 0.5);
    expect(slow.limitMs).toBe(1.3 * (20_000 / 0.5 + 10_000) + 10_000);
    expect(slow.meanSpeed).toBeCloseTo(30 / 50);
    slow.took({ ...step, index: 6, activeBeforeMs: 30_000 }, 1);
    expect(slow.limitMs).toBe(1.3 * (20_000 / 0.5 + 10_000) + 10_000);
  });
});

describe("what is held down", () => {
  test("is let go of, whatever shift did to its keysym", () => {
    const pressed = new PressedInput();
    const sent: string[] = [];
    pressed.note({ ...key, keysym: 65 }, 0);
    pressed.note({ ...key, down: false }, 0);
    pressed.note({ ...key, keycode: 42, keysym: 0xffe1 }, 0);
    pressed.note(at(1), 0);
    const sink = {
      key: (down: boolean, keysym: number) => sent.push(`${down}${keysym}`),
      pointer: (x: number, y: number, buttons: number) => sent.push(`${x},${y}:${buttons}`),
      power: () => Promise.resolve(),
    };
    pressed.release(sink);
    pressed.release(sink);
    expect(sent).toEqual([`false65505`, "1,1:0"]);
  });
});

describe("key repeat", () => {
  test("comes as long after the press as it did when it was recorded", () => {
    const pressed = new PressedInput();
    expect(pressed.earliestMs(key)).toBe(-Infinity);
    pressed.note({ ...key, atMs: 1000 }, 50);
    pressed.note({ ...key, atMs: 1500 }, 550);
    expect(pressed.earliestMs({ ...key, atMs: 1533 })).toBe(583);
    expect(pressed.earliestMs({ ...key, atMs: 1533, keycode: 31 })).toBe(-Infinity);
    expect(pressed.earliestMs({ ...key, atMs: 1533, down: false })).toBe(-Infinity);
    pressed.note({ ...key, atMs: 1533, down: false }, 562);
    expect(pressed.earliestMs({ ...key, atMs: 1600 })).toBe(-Infinity);
  });
});

describe("settling", () => {
  test("waits until nothing is written any more", async () => {
    const clock = new SimulatedClock();
    const written = (): Promise<number> => Promise.resolve(Math.min(clock.now(), 3000));
    expect(await clock.run(diskSettled(written, { clock, quietMs: 1000 }))).toBe(true);
    expect(clock.now()).toBeGreaterThanOrEqual(4000);
    expect(clock.now()).toBeLessThan(4600);
  });

  test("does not wait for ever", async () => {
    const clock = new SimulatedClock();
    const written = (): Promise<number> => Promise.resolve(clock.now());
    expect(await clock.run(diskSettled(written, { clock, limitMs: 5000 }))).toBe(false);
    expect(clock.now()).toBeLessThan(5500);
  });

  test("stops when told to", async () => {
    const signal = AbortSignal.abort();
    await expect(diskSettled(() => Promise.resolve(1), { signal })).rejects.toMatchObject({ code: "CANCELLED" });
  });
});
