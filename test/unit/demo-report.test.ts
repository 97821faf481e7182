import { describe, expect, it } from "vitest";
import { shortcomings } from "../../demo/promises.ts";
import { reportText } from "../../demo/report-text.ts";
import { checkByteCounts, demoReport, demoReportSchema, type DemoReport, type Move } from "../../demo/report.ts";
import { MIGRATION_REPORT } from "./cli-reports.ts";

const THERE: Move = { report: MIGRATION_REPORT, linkBytes: 547_180, verified: true, resumeS: 0.6 };
const BACK: Move = { ...THERE, linkBytes: 36_700 };

function sample(there: Partial<Move> = {}, back: Partial<Move> = {}): DemoReport {
  return demoReport({
    there: { ...THERE, ...there },
    back: { ...BACK, ...back },
    stopAndCopyBytes: 72_000_000,
    overlayBytes: 11_300_000,
    out: "/out/demo",
  });
}

describe("demoReport", () => {
  it("has exactly the promised fields, in their order", () => {
    const report = sample();
    expect(demoReportSchema.parse(report)).toEqual(report);
    expect(JSON.stringify(report)).toBe(
      `{"type":"report","verified":true,"root_source":"${"bb".repeat(32)}","root_destination":"${"bb".repeat(32)}",` +
        `"owner":"home","recorded_s":70.5,"think_s":25.2,"events":1019,` +
        `"checkpoints":{"total":66,"matched":65,"missed":1},` +
        `"phases":{"suspend_s":0.36,"log_s":0.03,"replay_s":36.1,"index_s":3.1,"residual_s":2.5,"verify_s":0.26,` +
        `"resume_s":0.6,"click_to_usable_s":43.1},` +
        `"bytes":{"log":5260,"index":45100,"need":316,"residual":475000,"device":15500,"control":6000,"total":547180},` +
        `"blocks":{"ram_dirty":9880,"disk_dirty":5403,"zero":10,"generation":525,"twin":5978,"shipped":3685},` +
        `"compare":{"stop_and_copy_bytes":72000000,"overlay_bytes":11300000},` +
        `"back":{"verified":true,"bytes":36700},"out":"/out/demo"}`,
    );
  });

  it("is verified only if both the separate program and the hosts say so", () => {
    expect(sample({ verified: false }).verified).toBe(false);
    expect(sample({ report: { ...MIGRATION_REPORT, verified: false } }).verified).toBe(false);
    expect(sample({}, { verified: false }).back.verified).toBe(false);
  });
});

describe("checkByteCounts", () => {
  it("accepts up to one per cent", () => {
    checkByteCounts({ ...THERE, linkBytes: 552_000 });
    checkByteCounts({ ...THERE, linkBytes: 542_000 });
  });

  it.each([540_000, 560_000, 0])("refuses %d bytes on the link", (linkBytes) => {
    expect(() => {
      checkByteCounts({ ...THERE, linkBytes });
    }).toThrow(/account for 547176 bytes/);
  });
});

describe("shortcomings", () => {
  it("finds none in a good report", () => {
    expect(shortcomings("shell", sample())).toEqual([]);
  });

  const good = sample();
  const cases: [string, DemoReport, RegExp][] = [
    ["shell", { ...good, verified: false }, /not identical/],
    ["shell", { ...good, root_source: "0".repeat(64) }, /roots differ/],
    ["shell", { ...good, owner: "laptop" }, /owner is laptop/],
    ["shell", { ...good, bytes: { ...good.bytes, residual: 400_000 } }, /sum to/],
    ["shell", { ...good, compare: { ...good.compare, overlay_bytes: 2_000_000 } }, /27 % of the overlay, at most 25 %/],
    ["office", { ...good, compare: { ...good.compare, overlay_bytes: 700_000 } }, /at most 70 %/],
    ["mine", { ...good, compare: { ...good.compare, overlay_bytes: 500_000 } }, /at most 100 %/],
    ["shell", { ...good, checkpoints: { total: 66, matched: 60, missed: 1 } }, /checkpoints are missing/],
    ["shell", { ...good, events: 0 }, /nothing was recorded/],
    ["shell", { ...good, phases: { ...good.phases, replay_s: 70 } }, /replay took 70 s, at most 69 s/],
    ["shell", { ...good, back: { ...good.back, verified: false } }, /way back/],
  ];
  it.each(cases)("%s %#", (session, report, expected) => {
    const found = shortcomings(session, report);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
  });
});

describe("reportText", () => {
  const surroundings = {
    took: [["use it", 70.1]] as const,
    link: "1mbit,50ms",
    pictureDifference: 0,
    pictures: ["/out/demo/before.png"],
    notes: ["one block was fetched again"],
  };

  it("shows bytes, their share, and what they take on the link", () => {
    const text = reportText(sample(), surroundings, 1_000_000);
    expect(text).toContain("Verified: memory, device state and every disk block");
    expect(text).toContain("Screen before and after: the very same picture.");
    expect(text).toMatch(/overlay, without replay +11\.3 MB +16 % +1 min 30 s/);
    expect(text).toMatch(/Homeward, with replay +547 kB +0\.8 % +4\.4 s/);
    expect(text).toContain("Replay sent 4.8 % of what the overlay sends.");
    expect(text).toMatch(/the same as one of those +5\u202f085 +33 %/);
    expect(text).toContain("Note: one block was fetched again");
    expect(text.split("\n").every((line) => line.length <= 100)).toBe(true);
  });

  it("does not hide a failure", () => {
    const text = reportText(sample({ verified: false }), { ...surroundings, pictureDifference: 0.25 }, null);
    expect(text).toContain("NOT VERIFIED");
    expect(text).toContain("25 % of the pixels differ");
  });
});
