import { describe, expect, it } from "vitest";
import type { MigrationReport } from "../../protocol/report.ts";
import { countingItself, toldReport } from "../../service/migration/make-report.ts";
import { briefly } from "../../service/migration/twin-run.ts";
import { MIGRATION_REPORT, MODE_CHOICE } from "./cli-reports.ts";

const overlay = (total: number): MigrationReport => ({
  ...MIGRATION_REPORT,
  mode: "overlay",
  replay: null,
  choice: MODE_CHOICE,
  bytes: { ...MIGRATION_REPORT.bytes, total },
});

describe("what the other host is told at the end", () => {
  it("is how overlay was chosen only where that is less than a hundredth of the move", () => {
    expect(toldReport(overlay(11_000))).toEqual({ ...overlay(11_000), choice: null });
    expect(toldReport(overlay(100_000))).toEqual(overlay(100_000));
    const asked = { ...overlay(11_000), choice: null };
    expect(countingItself(toldReport(overlay(11_000))).bytes).toEqual(countingItself(asked).bytes);
  });

  it("is always how a replay was chosen: the next move learns from it", () => {
    const replay = { ...overlay(11_000), mode: "replay" as const };
    expect(toldReport(replay)).toEqual(replay);
  });

  it("is of a replay's path no more than the replay saved, but how it began", () => {
    const { events, checkpoints, recorded_s, think_s } = MIGRATION_REPORT;
    const path = Array.from({ length: 20 }, (_, i) => ({
      kind: "left" as const,
      from_step: i,
      to_step: i,
      text: `step ${i}: 12 cells differ, between (100, 200) and (300, 400)`,
    }));
    const replay = { outcome: { gave_up: null, masked_cells: 1, speed: 1, path }, events, checkpoints, recorded_s, think_s };
    expect(briefly(replay, 1e6)).toEqual(replay);
    const brief = briefly(replay, 0);
    expect(brief).toMatchObject({ events, checkpoints, recorded_s });
    expect(brief?.outcome.path).toEqual(path.slice(0, brief?.outcome.path.length));
    expect(brief?.outcome.path.length).toBeGreaterThan(3);
    expect(JSON.stringify(brief?.outcome.path).length).toBeLessThan(900);
    expect(briefly(null, 0)).toBeNull();
  });
});
