import { describe, expect, it } from "vitest";
import { encodeSegment, type InputEvent } from "../../protocol/input-log.ts";
import { AutoMode, type IndexedSource } from "../../service/migration/auto-mode.ts";
import { NOTHING_LEARNED, type Learned } from "../../service/migration/learn.ts";
import { checkpoint } from "./input-log-events.ts";

/** A machine with so many new contents, which take 1 kB each. */
function source(contents: number): IndexedSource {
  let hashBits = 0;
  return {
    async *index(hasTwin) {
      hashBits = hasTwin === true ? 32 : 0;
      yield Promise.resolve(Buffer.alloc(1000 + (contents * hashBits) / 8));
    },
    sample: () => Promise.resolve({ bytes: contents * 1000, packSeconds: contents / 1000 }),
    get stats() {
      return { distinct: contents, hashBits, bytes: { index: 1000 + (contents * hashBits) / 8 } };
    },
  };
}

/** Somebody types a word every 4 s; the guest shows something until the next one in all of that time. */
async function log(words: number, more: readonly InputEvent[] = []): Promise<Buffer[]> {
  const events: InputEvent[] = [];
  for (let word = 0; word < words; word++) {
    const atMs = word * 4000;
    events.push({ atMs, kind: "checkpoint", checkpoint: { ...checkpoint([[1, word % 256]]), ageMs: 0 } });
    events.push({ atMs, kind: "key", down: true, keysym: 97, keycode: 30 }, { atMs: atMs + 1, kind: "key", down: false, keysym: 97, keycode: 30 });
  }
  return [await encodeSegment([...events, ...more])];
}

const auto = (metered = false, learned: Learned = NOTHING_LEARNED): AutoMode => new AutoMode({ metered, learned, clickedMs: performance.now() });
const step = (done: number): Parameters<AutoMode["heard"]>[0] => ({ phase: "replay", done, total: 10, unit: "steps" });

describe("the mode that is left to the source", () => {
  it("is overlay, and its index without hashes, where nothing can be replayed", async () => {
    const chooser = auto(true);
    expect(chooser.choice).toBeNull();
    const { mode, index } = await chooser.choose(source(5000), [], 19);
    expect(mode).toBe("overlay");
    expect(index.map(({ length }) => length)).toEqual([1000]);
    expect(chooser.choice).toMatchObject({ metered: true, replay: null, overlay: { bytes: 1000 + 5_000_000 + 25_000 }, stopped: null });
    expect(chooser.isEnough).toBe(false);
  });

  it("is replay, with hashes, where that is sooner over on a slow link", async () => {
    const chooser = auto();
    const { mode, index } = await chooser.choose(source(10_000), await log(10), 19);
    expect(mode).toBe("replay");
    expect(index.map(({ length }) => length)).toEqual([41_000]);
    expect(chooser.choice?.why).toMatch(/^replay: about/);
    expect(chooser.choice?.bits_per_s).toBe(1e6);
    // 40 s of replay instead of 80 s of sending.
    chooser.measured(1e6);
    chooser.heard(step(0));
    expect(chooser.isEnough).toBe(false);
  });

  it("counts what was recorded up to a private pause, and that the network was used", async () => {
    const plain = auto(true);
    await plain.choose(source(10_000), await log(10), 19);
    const bytes = plain.choice?.replay?.bytes ?? 0;
    const paused = auto(true);
    const after: InputEvent[] = [36_500, 80_000].map((atMs) => ({ atMs, kind: "mark", mark: atMs === 36_500 ? "record-pause" : "record-resume" }));
    await paused.choose(source(10_000), await log(10, after), 19);
    expect(paused.choice?.replay?.bytes).toBeGreaterThan(bytes + 3_000_000);
    const online = auto(true);
    await online.choose(source(10_000), await log(10, [{ atMs: 37_000, kind: "network", connections: 2 }]), 19);
    expect(online.choice?.replay?.bytes).toBeGreaterThan(bytes + 3_000_000);
  });

  it("is given up as soon as the link turns out to be fast, and stays given up", async () => {
    const chooser = auto();
    await chooser.choose(source(10_000), await log(10), 19);
    chooser.measured(null);
    expect(chooser.isEnough).toBe(false);
    chooser.measured(Infinity);
    expect(chooser.isEnough).toBe(true);
    chooser.measured(1e5);
    expect(chooser.isEnough).toBe(true);
    expect(chooser.choice?.stopped).toMatch(/^at 0 %: the rest would have taken another \d+ s/);
  });

  it("is given up when the replay goes too slowly, and not when it is nearly there", async () => {
    const slow = auto(false, { ...NOTHING_LEARNED, pace: 5 });
    await slow.choose(source(30_000), await log(10), 19);
    slow.heard(step(1));
    expect(slow.isEnough).toBe(false);
    slow.measured(3e6);
    expect(slow.isEnough).toBe(true);
    const nearly = auto(false, { ...NOTHING_LEARNED, pace: 5 });
    await nearly.choose(source(30_000), await log(10), 19);
    nearly.measured(3e6);
    nearly.heard(step(9));
    expect(nearly.isEnough).toBe(false);
  });

  it("is not given up once the replay is over, nor on a metered link", async () => {
    const over = auto();
    await over.choose(source(10_000), await log(10), 19);
    over.heard({ phase: "settle", done: 1, unit: "steps" });
    over.measured(Infinity);
    expect(over.isEnough).toBe(false);
    const metered = auto(true);
    await metered.choose(source(10_000), await log(10), 19);
    metered.measured(Infinity);
    expect(metered.isEnough).toBe(false);
    expect(metered.choice?.bits_per_s).toBeNull();
  });
});
