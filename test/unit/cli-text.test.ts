import { describe, expect, it } from "vitest";
import { defaultHostName, defaultStateDir } from "../../cli/state-dir.ts";
import { migrationsText, reportText } from "../../cli/text/report.ts";
import { statusText, workspaceText } from "../../cli/text/workspace.ts";
import { nameSchema } from "../../protocol/control.ts";
import { MIGRATION_REPORT, SERVICE_STATUS, WORKSPACE_STATUS } from "./cli-reports.ts";

describe("statusText", () => {
  it("tells what runs, what is recorded and where the console is", () => {
    expect(statusText(SERVICE_STATUS)).toBe(
      [
        "Host laptop: service running (process 42), state in /home/me/.local/share/homeward",
        "Machines run in software emulation (no usable KVM).",
        "It knows home (/tmp/home.sock).",
        "",
        "work: running here",
        "  512 MiB of memory, a disk of 3 GiB",
        "  generation abababababab",
        "  recorded since then: 1\u202f019 events, 5.26 kB, recording",
        "  console: /run/user/1000/homeward-1/w/console.sock",
      ].join("\n"),
    );
  });

  it("tells a newcomer what to do first", () => {
    const text = statusText({ ...SERVICE_STATUS, peers: [], workspaces: [] });
    expect(text).toContain("It knows no other host.");
    expect(text).toContain("homeward create work --guest desktop");
  });

  it.each([
    ["off", 'switched off; "homeward start work" boots it'],
    ["suspended", "goes on where it was"],
    ["away", "on home, who may run it"],
    ["paused-for-migration", "paused while it moves"],
    ["busy", "busy: seal"],
  ] as const)("explains the state %s", (state, expected) => {
    const owner = state === "away" ? "home" : "here";
    expect(workspaceText({ ...WORKSPACE_STATUS, state, owner, doing: "seal" })).toContain(expected);
  });

  it("says that RAM on disk is slow, and that nothing is recorded before the first generation", () => {
    const text = workspaceText({ ...WORKSPACE_STATUS, ramPlace: "disk", base: null, log: null });
    expect(text).toContain("its RAM is on disk, which is slower");
    expect(text).toContain('"homeward seal work"');
  });
});

describe("reportText", () => {
  it("accounts for time and bytes, and shows where the replay left the recorded path", () => {
    const text = reportText(MIGRATION_REPORT);
    expect(text).toContain("Moved work from laptop to home by replay in 43 s; it belongs to home now.");
    expect(text).toContain("Verified: both hosts have generation bbbbbbbbbbbb.");
    expect(text).toMatch(/^ {2}residual +475 kB +87 %$/m);
    expect(text).toMatch(/^ {2}total +547 kB$/m);
    expect(text).toContain("65 of 66 checkpoints matched, 1 missed");
    expect(text).toContain("steps 41 to 42: a window was missing");
    expect(text).not.toContain("steps 0 to 40");
    expect(text).toContain("Note: one block was fetched again");
  });

  it("does not hide that nothing was verified", () => {
    expect(reportText({ ...MIGRATION_REPORT, verified: false })).toContain("NOT VERIFIED");
  });
});

describe("migrationsText", () => {
  it("lists them", () => {
    const row = {
      id: "5f0c6f5e",
      workspace: "work",
      role: "source",
      kind: "migration",
      peer: "home",
      mode: "replay",
      state: "done",
      base: "ab".repeat(32),
      root: null,
      startedAt: "2026-01-02T03:04:05.000Z",
      updatedAt: "2026-01-02T03:05:05.000Z",
      error: null,
    } as const;
    expect(migrationsText([row])).toContain("5f0c6f5e  2026-01-02 03:04:05  work       to home  migration  replay  done");
    expect(migrationsText([])).toContain("no migration yet");
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
