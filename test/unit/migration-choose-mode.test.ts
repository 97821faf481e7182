import { describe, expect, it } from "vitest";
import type { MigrationReport } from "../../protocol/report.ts";
import { chooseMode, isWorthWaiting, LITTLE_BYTES, predict, whyMode, type MoveFacts } from "../../service/migration/choose-mode.ts";
import { learnFrom, NOTHING_LEARNED, type Learned } from "../../service/migration/learn.ts";
import { MIGRATION_REPORT } from "./cli-reports.ts";

const MBIT = 1e6;

/** The shell session of README.md: what it costs without a replay is 9.5 MB. */
const SHELL: MoveFacts = {
  metered: false,
  activeS: 40,
  replayable: 1,
  usedNetwork: false,
  logBytes: 7000,
  indexBytes: { replay: 55_000, overlay: 12_000 },
  contents: 9000,
  contentBytes: 9_400_000,
  packS: 20,
  elapsedS: 2,
  bitsPerSecond: MBIT,
};
const DEVELOPER: MoveFacts = { ...SHELL, activeS: 25, contents: 3300, contentBytes: 430_000, packS: 3, indexBytes: { replay: 22_000, overlay: 8000 } };
const OFFICE: MoveFacts = { ...SHELL, activeS: 28, contents: 7000, contentBytes: 2_550_000, packS: 7, indexBytes: { replay: 40_000, overlay: 9000 } };
/** Replayed it costs 71 kB, and 56 kB without. */
const CONSOLE: MoveFacts = { ...SHELL, activeS: 15, logBytes: 11_000, contents: 350, contentBytes: 30_000, packS: 0.3, indexBytes: { replay: 4000, overlay: 2500 } };
const metered = (facts: MoveFacts): MoveFacts => ({ ...facts, metered: true });

function chosen(facts: MoveFacts, learned: Learned = NOTHING_LEARNED): { mode: string; why: string } {
  const prediction = predict(facts, learned);
  const mode = chooseMode(facts, prediction);
  return { mode, why: whyMode(mode, facts, prediction) };
}

/** A replay as README.md has it, by what came out of it. */
function replayed(residual: number, twin: number, shipped: number, more: Partial<MigrationReport> = {}): MigrationReport {
  const { bytes, blocks } = MIGRATION_REPORT;
  return { ...MIGRATION_REPORT, bytes: { ...bytes, residual }, blocks: { ...blocks, twin, shipped }, ...more };
}

describe("which way a move goes", () => {
  it("is by replay on a slow link where the user made much, and says what that saves", () => {
    const { mode, why } = chosen(SHELL);
    expect(mode).toBe("replay");
    expect(why).toMatch(/^replay: about 1\.70 MB and 1 min 02 s instead of 9\.40 MB and 1 min 21 s by overlay$/);
  });

  it("is by overlay where that is sooner over, and says what a replay would have been", () => {
    for (const facts of [{ ...SHELL, bitsPerSecond: 100 * MBIT }, { ...SHELL, bitsPerSecond: 10 * MBIT }, OFFICE, DEVELOPER])
      expect(chosen(facts), String(facts.contentBytes)).toMatchObject({ mode: "overlay" });
    expect(chosen(OFFICE).why).toMatch(/^overlay: about 2\.60 MB and 26 s instead of 1\.30 MB and 47 s by replay$/);
  });

  it("is by bytes alone on a metered link", () => {
    for (const facts of [SHELL, DEVELOPER, OFFICE].map(metered)) {
      expect(chosen(facts), String(facts.contentBytes)).toMatchObject({ mode: "replay" });
      expect(chosen({ ...facts, bitsPerSecond: 100 * MBIT })).toMatchObject({ mode: "replay" });
    }
  });

  it("is by overlay where there is little to save, on a metered link too", () => {
    for (const facts of [CONSOLE, metered(CONSOLE)]) {
      const { mode, why } = chosen(facts);
      expect(mode).toBe("overlay");
      expect(why).toMatch(/^overlay, about 58\.0 kB and \d.* s: there is little to save, a replay would take 1\d s longer$/);
    }
    expect(chosen(metered({ ...DEVELOPER, contentBytes: LITTLE_BYTES - 1 })).mode).toBe("overlay");
    expect(chosen(metered({ ...DEVELOPER, contentBytes: LITTLE_BYTES })).mode).toBe("replay");
  });

  it("is by overlay where nothing was recorded", () => {
    const { mode, why } = chosen({ ...metered(SHELL), activeS: null });
    expect(mode).toBe("overlay");
    expect(why).toContain("nothing was recorded");
    expect(predict({ ...SHELL, activeS: null }, NOTHING_LEARNED).replay).toBeNull();
  });

  it("takes the fewer bytes of two that are equally soon over", () => {
    const facts = { ...OFFICE, elapsedS: 1000 };
    const { replay, overlay } = predict(facts, NOTHING_LEARNED);
    expect(replay?.seconds).toBeGreaterThan(overlay.seconds);
    expect(chosen(facts).mode).toBe("replay");
  });

  it("expects less of a replay after a private pause, and where much came over the network", () => {
    const bytes = (facts: MoveFacts): number => predict(facts, NOTHING_LEARNED).replay?.bytes ?? 0;
    expect(bytes({ ...SHELL, replayable: 0.5 })).toBeGreaterThan(bytes(SHELL) + 3_000_000);
    expect(bytes({ ...SHELL, usedNetwork: true })).toBeGreaterThan(bytes(SHELL) + 3_000_000);
    expect(chosen(metered({ ...SHELL, replayable: 0 })).mode).toBe("overlay");
  });

  it("never expects more of the overlay's contents from a replay than there are", () => {
    const learned = { ...NOTHING_LEARNED, leftPerContent: 1e6 };
    const { replay, overlay } = predict(SHELL, learned);
    const own = SHELL.logBytes + SHELL.indexBytes.replay - SHELL.indexBytes.overlay + SHELL.contents / 8 + 1500;
    expect(replay?.bytes).toBe(overlay.bytes + own);
    expect(chosen(metered(SHELL), learned)).toMatchObject({ mode: "overlay", why: expect.stringContaining("would send no less") as unknown });
  });
});

describe("what earlier moves say", () => {
  it("is nothing before the first", () => {
    expect(learnFrom([])).toEqual(NOTHING_LEARNED);
  });

  it("is what a replay left, how fast it went, and what comes with every move", () => {
    const learned = learnFrom([replayed(180_000, 8500, 500)]);
    expect(learned).toMatchObject({ leftPerContent: 20, bitsPerSecond: null, restBytes: 21_500, afterS: 0.26 });
    expect(learned.pace).toBeCloseTo(36.1 / 45.3);
    expect(predict(SHELL, learned).replay?.bytes).toBe(7000 + 55_000 + 1125 + 180_000 + 21_500 + 1500);
  });

  it("is the median of several, and those that were ended for time say nothing of what a whole one leaves", () => {
    const stopped = { metered: false, why: "", replay: null, overlay: { bytes: 1, seconds: 1 }, bits_per_s: 2e6, stopped: "at 3 %" };
    const moves = [replayed(9000, 400, 500), replayed(18_000, 400, 500), replayed(9e6, 0, 900, { choice: stopped }), replayed(90_000, 400, 500)];
    expect(learnFrom(moves)).toMatchObject({ leftPerContent: 20, bitsPerSecond: 2e6 });
  });

  it("is that nothing is gained where a log was sent and there was no twin", () => {
    const learned = learnFrom([replayed(9_400_000, 0, 9000, { replay: null, recorded_s: 0, think_s: 0 })]);
    expect(chosen(metered(SHELL), learned).mode).toBe("overlay");
    expect(learned.pace).toBe(1);
  });

  it("is nothing of replays where there were only overlays", () => {
    const overlay = replayed(9e6, 0, 9000, { mode: "overlay", replay: null });
    expect(learnFrom([overlay]).leftPerContent).toBeNull();
  });
});

describe("while the other host replays", () => {
  const worth = (facts: MoveFacts, done: number, restS: number): boolean => isWorthWaiting(facts, NOTHING_LEARNED, { done, restS });

  it("is waited for as long as that is sooner over than sending", () => {
    expect(worth(SHELL, 0, 40)).toBe(true);
    expect(worth(SHELL, 0.5, 20)).toBe(true);
    expect(worth(SHELL, 0.99, 1)).toBe(true);
  });

  it("is not, once the link turns out to be fast", () => {
    expect(worth({ ...SHELL, bitsPerSecond: 100 * MBIT }, 0, 40)).toBe(false);
    expect(worth({ ...SHELL, bitsPerSecond: 100 * MBIT }, 0.5, 20)).toBe(false);
  });

  it("is not, once it turns out to be slow", () => {
    expect(worth(SHELL, 0.1, 300)).toBe(false);
    expect(worth(SHELL, 0.9, 30)).toBe(false);
  });

  it("is always waited for on a metered link", () => {
    expect(worth({ ...metered(SHELL), bitsPerSecond: 1e9 }, 0.1, 3000)).toBe(true);
  });
});
