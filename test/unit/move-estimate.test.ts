import { describe, expect, it } from "vitest";
import { estimateText } from "../../electron/renderer/pages/workspaces/estimate-text.ts";
import { estimateMove } from "../../service/migration/estimate.ts";
import { MIGRATION_REPORT } from "./cli-reports.ts";

const log = { events: 1000, bytes: 4000, durationMs: 60_000, recording: true };
const move = {
  ...MIGRATION_REPORT,
  recorded_s: 60,
  bytes: { log: 4000, index: 20_000, need: 1000, residual: 100_000, device: 5000, control: 2000, total: 132_000 },
  blocks: { ...MIGRATION_REPORT.blocks, disk_dirty: 1000 },
  phases: { ...MIGRATION_REPORT.phases, log_s: 1, index_s: 2, residual_s: 7, replay_s: 10, click_to_usable_s: 30 },
};
const writtenBytes = 1000 * 4096;

describe("what a move will take", () => {
  it("is not known before the first", () => {
    expect(estimateMove({ log, writtenBytes }, [])).toBeNull();
  });

  it("is what it took, after the same work", () => {
    expect(estimateMove({ log, writtenBytes }, [move])).toEqual({ bytes: 132_000, seconds: 30 });
  });

  it("grows with the work and what was written, but not what is always the same", () => {
    const longer = estimateMove({ log: { ...log, durationMs: 120_000, bytes: 8000 }, writtenBytes }, [move]);
    expect(longer).toEqual({ bytes: 7000 + 8000 + 121_000 * 2, seconds: 10 + 20 + (10 * 257_000) / 132_000 });
    expect(estimateMove({ log, writtenBytes: 4 * writtenBytes }, [move])?.bytes).toBe(7000 + 4000 + 121_000 * 4);
    expect(estimateMove({ log: null, writtenBytes: 1e12 }, [move])?.bytes).toBe(7000 + 121_000 * 8);
  });

  it("is the median of several moves", () => {
    const others = [1_000_000, 3_000_000].map((total) => ({ ...move, bytes: { ...move.bytes, residual: total, total: total + 32_000 } }));
    expect(estimateMove({ log, writtenBytes }, [move, ...others])?.bytes).toBe(1_032_000);
  });

  it("is told no more exactly than it is known", () => {
    expect(estimateText({ estimate: { bytes: 3_141_592, seconds: 41.7 } }, "home")).toBe("Ready at home in about 42 s, 3.10 MB");
    expect(estimateText({ estimate: null }, "home")).toContain("not known yet");
    expect(estimateText(null, "home")).toContain("Working out");
  });
});
