import { describe, expect, it } from "vitest";
import { Arrivals } from "../../electron/main/arrivals.ts";
import { installation } from "../../electron/main/installation.ts";
import { trayLines } from "../../electron/main/tray.ts";
import type { ServiceStatus, WorkspaceStatus } from "../../protocol/control.ts";

function workspace(name: string, owner: string, more: Partial<WorkspaceStatus> = {}): WorkspaceStatus {
  return { name, owner, state: owner === "here" ? "running" : "away", lastMove: null, migration: null, ...more } as WorkspaceStatus;
}

function status(...workspaces: readonly WorkspaceStatus[]): ServiceStatus {
  return { workspaces } as unknown as ServiceStatus;
}

const lastMove = { from: "laptop", to: "home", finishedAt: "2026-01-01T00:00:00.000Z", bytes: 1, seconds: 1 };

describe("arrivals", () => {
  it("are workspaces that this host owns and did not before", () => {
    const arrivals = new Arrivals();
    expect(arrivals.next(status(workspace("desk", "laptop"), workspace("old", "here")))).toEqual([]);
    expect(arrivals.next(status(workspace("desk", "here"), workspace("old", "here")))).toEqual([
      { workspace: "desk", from: "laptop", running: true },
    ]);
    expect(arrivals.next(status(workspace("desk", "here"), workspace("old", "here")))).toEqual([]);
  });

  it("can be workspaces that were not known, unless they were made here", () => {
    const arrivals = new Arrivals();
    arrivals.next(status());
    const found = arrivals.next(status(workspace("new", "here"), workspace("moved", "here", { lastMove, state: "suspended" })));
    expect(found).toEqual([{ workspace: "moved", from: "laptop", running: false }]);
  });
});

describe("the tray's lines", () => {
  it("name what runs and what moves", () => {
    const row = { role: "source", peer: "home" } as NonNullable<WorkspaceStatus["migration"]>["row"];
    expect(trayLines(null)).toEqual(["No service runs"]);
    expect(trayLines(status(workspace("a", "laptop")))).toEqual(["No machine runs here"]);
    const moving = workspace("b", "here", { state: "paused-for-migration", migration: { row, progress: null, bytes: null, blocks: null } });
    expect(trayLines(status(workspace("a", "here"), moving))).toEqual(["Running here: a", "b moves to home"]);
  });
});

describe("where the app finds its parts", () => {
  it("in a source tree and installed", () => {
    expect(installation("/src/out/app", null).command).toEqual(["/src/node_modules/.bin/node", "/src/cli/main.ts"]);
    expect(installation("/app/out", "/usr/lib/homeward/resources")).toMatchObject({
      command: ["/usr/lib/homeward/resources/homeward/bin/homeward"],
      pages: "/app/out/pages",
    });
  });
});
