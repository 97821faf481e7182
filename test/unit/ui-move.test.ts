import { describe, expect, it } from "vitest";
import { originsOf, withSample, type Sample } from "../../electron/renderer/pages/move/figures.ts";
import { canCancel, stageOf, STAGES } from "../../electron/renderer/pages/move/stages.ts";
import { DESTINATION_STATES, SOURCE_STATES } from "../../service/migration/states.ts";

describe("the steps of a move", () => {
  it("go forward with the state, and with what is being done", () => {
    expect(stageOf({ state: "offered" }, null)).toBe("begin");
    expect(stageOf({ state: "offered" }, { phase: "suspend" })).toBe("save");
    expect(stageOf({ state: "suspended" }, { phase: "compare" })).toBe("replay");
    expect(stageOf({ state: "indexed" }, { phase: "resolve" })).toBe("find");
    expect(stageOf({ state: "shipping" }, { phase: "replay" })).toBe("send");
    expect(stageOf({ state: "building" }, { phase: "verify" })).toBe("check");
    expect(stageOf({ state: "released" }, { phase: "resume" })).toBe("start");
  });

  it("never go back from one state to the next", () => {
    for (const states of [SOURCE_STATES, DESTINATION_STATES]) {
      const onTheWay = states.filter((state) => state !== "cancelled" && state !== "dropped");
      const at = onTheWay.map((state) => STAGES.indexOf(stageOf({ state }, null)));
      expect(at).toEqual([...at].sort((a, b) => a - b));
    }
  });

  it("can be stopped by the source until the release", () => {
    for (const state of SOURCE_STATES.slice(0, 5)) expect(canCancel({ role: "source", state }), state).toBe(true);
    expect(canCancel({ role: "source", state: "released" })).toBe(false);
    expect(canCancel({ role: "destination", state: "building" })).toBe(false);
  });
});

describe("bytes by origin", () => {
  it("are blocks where they are there, and what was sent as it was counted", () => {
    const bytes = { log: 1, index: 2, need: 3, residual: 4, device: 5, control: 6, total: 21 };
    expect(originsOf({ bytes: null, blocks: null })).toEqual({ home: 0, replayed: 0, sent: 0 });
    expect(originsOf({ bytes, blocks: { zero: 9, generation: 2, twin: 3, shipped: 4 } })).toEqual({ home: 8192, replayed: 12_288, sent: 21 });
  });

  it("are kept as they change, never too many", () => {
    const sample = (atS: number, sent: number): Sample => ({ atS, sent, home: 0, replayed: 0 });
    let samples = withSample([], sample(0, 1));
    expect(withSample(samples, sample(1, 1))).toBe(samples);
    for (let i = 1; i < 5000; i++) samples = withSample(samples, sample(i, i + 1));
    expect(samples.length).toBeLessThanOrEqual(601);
    expect(samples[0]).toEqual(sample(0, 1));
    expect(samples.at(-1)).toEqual(sample(4999, 5000));
  });
});
