import { describe, expect, test } from "vitest";
import type { InputEvent } from "../../protocol/input-log.ts";
import { planReplay } from "../../replayer/plan.ts";

function checkpoint(atMs: number, ageMs: number): InputEvent {
  return { atMs, kind: "checkpoint", checkpoint: { width: 16, height: 16, cells: new Map([[0, 9]]), volatile: [], ageMs } };
}

function key(atMs: number, down = true): InputEvent {
  return { atMs, kind: "key", down, keysym: 97, keycode: 30 };
}

function pointer(atMs: number, x: number, buttons: number): InputEvent {
  return { atMs, kind: "pointer", x, y: 5, buttons };
}

describe("think time", () => {
  test("is what passed before an action without input and without a change of the picture", async () => {
    const { thinkMs, recordedMs, steps } = await planReplay([
      // 1000 ms since the start; the picture last changed 400 ms ago.
      checkpoint(1000, 400),
      key(1000),
      key(1050, false),
      // 5 s since the last input, of which the picture kept changing for the first 2.
      checkpoint(6050, 3000),
      key(6050),
      // The picture has not changed since before the last input.
      checkpoint(7050, 4000),
    ]);
    expect(steps.map((step) => step.idleMs)).toEqual([400, 3000, 1000]);
    expect(steps.map((step) => step.reactionMs)).toEqual([600, 2000, 0]);
    expect(steps.map((step) => step.activeBeforeMs)).toEqual([600, 2650, 2650]);
    expect(thinkMs).toBe(4400);
    expect(recordedMs).toBe(7050);
  });

  test("does not count where there is no picture to tell", async () => {
    const { thinkMs, steps } = await planReplay([key(5000), key(5040, false), key(9000)]);
    expect(thinkMs).toBe(0);
    expect(steps.map(({ kind, gapMs }) => [kind, gapMs])).toEqual([
      ["blind", 5000],
      ["blind", 3960],
    ]);
  });
});

describe("steps", () => {
  test("begin at a picture or after a pause, and hold the input up to the next", async () => {
    const { steps, inputs } = await planReplay([
      checkpoint(10, 5),
      key(10),
      key(60, false),
      key(300),
      checkpoint(400, 5),
      key(400, false),
      checkpoint(900, 5),
    ]);
    expect(steps.map((step) => [step.kind, step.inputs.length])).toEqual([
      ["gated", 3],
      ["gated", 1],
      ["end", 0],
    ]);
    expect(inputs).toBe(4);
  });

  test("a picture that nothing was done at joins the next", async () => {
    const { steps } = await planReplay([checkpoint(10, 5), checkpoint(90, 5), key(100)]);
    expect(steps).toHaveLength(1);
    expect(steps[0]?.checkpoints).toHaveLength(2);
  });

  test("a second click on the same spot continues the first, elsewhere or later it does not", async () => {
    const { steps } = await planReplay([
      ...[checkpoint(1000, 500), pointer(1000, 50, 1), pointer(1080, 50, 0)],
      ...[checkpoint(1200, 20), pointer(1200, 52, 1), pointer(1280, 52, 0)],
      ...[checkpoint(1400, 20), pointer(1400, 300, 1), pointer(1480, 300, 0)],
      ...[checkpoint(3000, 20), pointer(3000, 300, 1), pointer(3080, 300, 0)],
      ...[checkpoint(3200, 20), pointer(3200, 300, 4), pointer(3280, 300, 0)],
    ]);
    expect(steps.map((step) => step.kind)).toEqual(["gated", "continued", "gated", "gated", "gated"]);
  });

  test("end where the recording was paused", async () => {
    const { steps, paused, recordedMs } = await planReplay([
      checkpoint(10, 5),
      key(10),
      { atMs: 500, kind: "mark", mark: "record-pause" },
      { atMs: 9000, kind: "mark", mark: "record-resume" },
      checkpoint(9500, 5),
      key(9500),
    ]);
    expect(paused).toBe(true);
    expect(steps).toHaveLength(1);
    expect(recordedMs).toBe(500);
  });

  test("events planned in many slices are all there", async () => {
    const many = Array.from({ length: 50_000 }, (_, i) => key(i * 10, i % 2 === 0));
    expect((await planReplay(many)).inputs).toBe(50_000);
  });

  test("planning can be stopped", async () => {
    const many = Array.from({ length: 50_000 }, (_, i) => key(i * 10));
    await expect(planReplay(many, AbortSignal.abort())).rejects.toMatchObject({ code: "CANCELLED" });
  });
});
