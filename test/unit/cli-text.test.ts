import type { Collected } from "../../protocol/control.ts";
import { collectedText } from "../../cli/text/collected.ts";
import { describe, expect, it } from "vitest";
import { defaultHostName } from "../../cli/host-name.ts";
import { defaultStateDir } from "../../protocol/state-dir.ts";
import { ago } from "../../cli/text/age.ts";
import { explainedSvg, explainedText } from "../../cli/text/explain.ts";
import { migrationsText, reportText } from "../../cli/text/report.ts";
import { nextStep, statusText } from "../../cli/text/status.ts";
import { workspaceText } from "../../cli/text/workspace.ts";
import { nameSchema, type WorkspaceStatus } from "../../protocol/control.ts";
import { EXPLAINED, MIGRATION_REPORT, MIGRATION_ROW, MIGRATION_SUMMARY, MODE_CHOICE, SERVICE_STATUS, WORKSPACE_STATUS } from "./cli-reports.ts";

const NOW = new Date("2026-01-02T06:30:00.000Z");

describe("statusText", () => {
  it("tells what runs, how old it is, what would move and what to do next", () => {
    expect(statusText(SERVICE_STATUS, NOW)).toBe(
      [
        "laptop: this host; its service is running (process 42)",
        "  folder      /home/me/.local/share/homeward",
        "  machines    in software emulation: KVM does not work here",
        "  listens on  nothing: no other host can move a workspace here",
        "  knows       home (/tmp/home.sock)",
        "",
        "work: running here",
        "  machine     512 MiB of memory (in /dev/shm), a disk of 3 GiB",
        "  generation  abababababab, made 3 hours ago; home held it too",
        "  recorded    1\u202f019 events in 12 min 03 s, 5.26 kB; recording",
        "  to move     what replay does not reproduce of changed memory, up to 12.3 MB of disk; " +
          "the last move, to laptop, took 223 kB and 27 s",
        "  console     /run/user/1000/homeward-1/w/console.sock",
        "  next        homeward migrate work home",
      ].join("\n"),
    );
  });

  it("tells a newcomer what to do first", () => {
    const text = statusText({ ...SERVICE_STATUS, peers: [], workspaces: [] });
    expect(text).toContain("no other host; homeward pair makes one known");
    expect(text).toContain("homeward create work --guest desktop");
  });

  it.each([
    ["off", "here, switched off"],
    ["suspended", "suspended here"],
    ["away", "on home"],
    ["paused-for-migration", "paused here while it moves"],
    ["busy", "busy here: seal"],
  ] as const)("explains the state %s", (state, expected) => {
    const owner = state === "away" ? "home" : "here";
    expect(workspaceText({ ...WORKSPACE_STATUS, state, owner, doing: "seal" })).toContain(`work: ${expected}\n`);
  });

  it("says that RAM on disk is slow, and that nothing is recorded before the first generation", () => {
    const text = workspaceText({ ...WORKSPACE_STATUS, ramPlace: "disk", base: null, generation: null, log: null });
    expect(text).toContain("on disk, which is slower");
    expect(text).toContain("generation  none yet, so nothing is recorded");
    expect(text).not.toContain("to move");
  });

  it("does not estimate a move of one that is off", () => {
    expect(workspaceText({ ...WORKSPACE_STATUS, state: "off" })).not.toContain("to move");
    expect(workspaceText({ ...WORKSPACE_STATUS, state: "suspended" })).toContain("to move");
  });

  it("says that the recording is paused, and how to end that, on the host that it is about", () => {
    const paused = { ...WORKSPACE_STATUS, recordingPaused: true };
    expect(workspaceText(paused)).toContain('"homeward record resume work" ends that');
    expect(workspaceText({ ...paused, owner: "home", state: "away" })).not.toContain("record resume");
    expect(workspaceText(WORKSPACE_STATUS)).not.toContain("record resume");
  });

  it("says that a machine stands still", () => {
    expect(workspaceText({ ...WORKSPACE_STATUS, stalled: "disk-full" })).toContain("work: stands still here: the disk is full");
  });

  it("says where to look when the log is damaged", () => {
    expect(workspaceText({ ...WORKSPACE_STATUS, log: null })).toContain("recorded    the input log cannot be read");
  });

  it("shows how far a move is and why one failed", () => {
    const progress = { phase: "replay", done: 1, total: 4, unit: "steps" as const };
    const row = { ...MIGRATION_ROW, state: "offered", error: "home is gone" };
    expect(workspaceText({ ...WORKSPACE_STATUS, migration: { row, progress, bytes: null, blocks: null } })).toContain(
      "moving      to home: offered, replay 25 %: home is gone",
    );
  });
});

describe("nextStep", () => {
  const AT_HOME = { state: "away", owner: "home" } as const;
  it.each([
    [{ state: "off" }, "homeward start work"],
    [{ state: "suspended" }, "homeward start work"],
    [AT_HOME, "on home: homeward migrate work laptop"],
    [{}, "homeward migrate work home"],
    [{ base: null }, "homeward console work --open, then homeward seal work: from there on it is recorded"],
    [
      { generation: { createdAt: "2026-01-02T03:04:05.000Z", holders: [] } },
      "homeward migrate work home; before the first time: homeward seal work --export DIR, and on home: " +
        "homeward create work --from DIR --owner laptop",
    ],
    [{ state: "busy" }, null],
  ] as const)("with %j", (change, expected) => {
    expect(nextStep({ ...WORKSPACE_STATUS, ...change } as WorkspaceStatus, SERVICE_STATUS)).toBe(expected);
  });

  it("without another host", () => {
    expect(nextStep(WORKSPACE_STATUS, { ...SERVICE_STATUS, peers: [] })).toContain("homeward pair");
  });
});

describe("ages", () => {
  it.each([
    ["2026-01-02T06:29:30Z", "just now"],
    ["2026-01-02T06:28:30Z", "1 minute ago"],
    ["2026-01-02T04:30:00Z", "2 hours ago"],
    ["2025-12-31T06:00:00Z", "2 days ago"],
    ["2026-01-02T06:40:00Z", "10 min 00 s in the future by this clock"],
  ])("%s", (at, expected) => {
    expect(ago(at, NOW)).toBe(expected);
  });
});

describe("reportText", () => {
  it("accounts for time, bytes and blocks", () => {
    const text = reportText(MIGRATION_REPORT);
    expect(text).toContain(
      "Moved work from laptop to home by replay in 43 s with 547 kB; it belongs to home now, and is suspended there.",
    );
    expect(text).toContain("Verified: both hosts computed generation bbbbbbbbbbbb.");
    expect(text).toMatch(/^ {2}what was missing +475 kB +87 %$/m);
    expect(text).toMatch(/^ {2}total +547 kB$/m);
    expect(text).toMatch(/^ {2}replay +36 s$/m);
    expect(text).toMatch(/^ {2}made again by the replay +24\.5 MB +39 %$/m);
    expect(text).toContain("Note: one block was fetched again");
  });

  it("shows the timeline: where the replay left the recorded path and came back", () => {
    const text = reportText(MIGRATION_REPORT);
    expect(text).toContain("65 of 66 checkpoints matched, 1 missed");
    expect(text).toContain(
      [
        "  steps 0 to 40   as recorded    the screen was as recorded",
        "  steps 41 to 42  left the path  the screen was not as recorded (first: a window)",
        "  steps 43 to 66  came back      the screen was as recorded",
      ].join("\n"),
    );
  });

  it("shows what was expected of either way where the choice was left to the service, beside what came out", () => {
    const text = reportText({ ...MIGRATION_REPORT, choice: MODE_CHOICE });
    expect(text).toContain(`Chosen, on a metered link: ${MODE_CHOICE.why}\n`);
    expect(text).toMatch(/^ {2}expected of a replay +561 kB +45 s$/m);
    expect(text).toMatch(/^ {2}expected of overlay +2\.41 MB +30 s$/m);
    expect(text).toMatch(/^ {2}came out, by replay +547 kB +43 s$/m);
    expect(reportText(MIGRATION_REPORT)).not.toContain("expected of");
    const stopped = reportText({ ...MIGRATION_REPORT, choice: { ...MODE_CHOICE, replay: null, metered: false, stopped: "at 3 %: why" } });
    expect(stopped).toContain(`Chosen: ${MODE_CHOICE.why}\nThe replay was ended at 3 %: why.\n`);
    expect(stopped).not.toContain("expected of a replay");
  });

  it("does not hide that nothing was verified, or replayed", () => {
    const text = reportText({ ...MIGRATION_REPORT, verified: false, replay: null });
    expect(text).toContain("NOT VERIFIED: laptop had bbbbbbbbbbbb, home made bbbbbbbbbbbb.");
    expect(text).toContain("Nothing was replayed.");
  });
});

describe("explainedText", () => {
  it("has a bar for each kind, says what it is and what can be done", () => {
    const text = explainedText(EXPLAINED);
    expect(text).toContain("What migration 5f0c6f5e of work had to send: 852 blocks of 4 KiB in 224 kB.");
    expect(text).toMatch(/^ {2}kernel objects +750 +150 kB +67 % {2}█{24}$/m);
    expect(text).toMatch(/^ {2}memory of programs +100 +75\.0 kB +33 % {2}█{12}$/m);
    expect(text).toMatch(/^ {2}maps of free blocks +2 +50 B +0\.0 % {2}·$/m);
    expect(text).toContain("250 of 750 blocks were zero before. 80 bytes of each other one had changed. Blocks of: dentry 149.");
    expect(text).toContain("Against it: The switch jemalloc.");
    expect(explainedText({ ...EXPLAINED, by: "contents" })).toContain("guesses by contents");
    expect(explainedText({ ...EXPLAINED, kinds: [] })).toContain("sent no blocks");
  });

  it("can be drawn, and what comes from the guest is no markup", () => {
    const [first] = EXPLAINED.kinds;
    if (first === undefined) throw new Error("no kind");
    const svg = explainedSvg({ ...EXPLAINED, kinds: [{ ...first, title: "<script>" }] });
    expect(svg).toContain("&lt;script&gt;");
    expect(svg).not.toContain("<script>");
    expect(svg.match(/<rect/g)).toHaveLength(2);
  });
});

describe("migrationsText", () => {
  it("lists them, and those that failed with the reason", () => {
    const failed = { ...MIGRATION_SUMMARY, state: "cancelled", bytes: null, seconds: null, error: "home\nis gone" };
    const text = migrationsText([MIGRATION_SUMMARY, failed]);
    expect(text).toMatch(/^5f0c6f5e {2}2026-01-0\d \d\d:\d\d {2}work +to home {2}replay {2}done +547 kB {2}43 s$/m);
    expect(text).toMatch(/cancelled +home is gone$/m);
    expect(migrationsText([])).toContain("no migration yet");
  });
});

describe("collectedText", () => {
  const collected: Collected = {
    dryRun: true,
    removed: [
      { kind: "generation", name: "ab".repeat(32), bytes: 512_000_000 },
      { kind: "run-folder", name: "twin-\u001b[2J", bytes: 0 },
    ],
    merged: [{ workspace: "work", layers: 9 }],
    kept: [{ root: "cd".repeat(32), bytes: 130_000_000, why: ["work is based on it", "home may start from it"] }],
    postponed: true,
  };

  it("says what goes, what stays and why", () => {
    const text = collectedText(collected);
    expect(text).toContain("Would merge the 9 layers of the disk of work.");
    expect(text).toContain("Would remove, 512 MB in all:");
    expect(text).toMatch(/generation +abababababab +512 MB/);
    expect(text).toContain("130 MB  work is based on it; home may start from it");
    expect(text).toContain("waits for work");
    expect(text).not.toContain("\u001b");
    expect(collectedText({ ...collected, dryRun: false })).toContain("Removed, 512 MB in all:");
    expect(collectedText({ dryRun: false, removed: [], merged: [], kept: [], postponed: false })).toBe("Nothing to remove.");
  });
});

describe("defaults", () => {
  it.each([
    ["MyLaptop.local", "mylaptop"],
    ["-x_y-", "x-y"],
    ["", "host"],
    ["äöü", "host"],
    ["a".repeat(40), "a".repeat(32)],
  ])("makes a host name of %j", (computer, expected) => {
    expect(defaultHostName(computer)).toBe(expected);
    expect(nameSchema.safeParse(defaultHostName(computer)).success).toBe(true);
  });

  it("finds the state folder", () => {
    expect(defaultStateDir({ HOMEWARD_STATE: "/a/b" })).toBe("/a/b");
    expect(defaultStateDir({ XDG_DATA_HOME: "/data" })).toBe("/data/homeward");
    expect(defaultStateDir({ XDG_DATA_HOME: "" })).toMatch(/\.local\/share\/homeward$/);
  });
});
