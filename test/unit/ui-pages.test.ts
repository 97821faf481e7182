import { describe, expect, it } from "vitest";
import { busyText, lightOf, movingText, noScreenText, placeText, stateText } from "../../electron/renderer/pages/workspaces/describe.ts";
import { bytesText, stepText } from "../../electron/renderer/pages/workspaces/step-text.ts";
import { destinations, lackingHosts } from "../../electron/renderer/pages/workspaces/usual-host.ts";
import { ago } from "../../electron/renderer/texts/texts.ts";
import { StatusFeed } from "../../service/control/status-feed.ts";
import { MigrationStops } from "../../service/control/migration-stops.ts";
import { shrink } from "../../vm/rfb/shrink.ts";
import { SERVICE_STATUS, WORKSPACE_STATUS } from "./cli-reports.ts";

const peers = ["cloud", "home", "work"].map((name) => ({ name, address: `/run/${name}.sock` }));
const service = { ...SERVICE_STATUS, host: "laptop", peers };
const generation = { createdAt: "2026-01-02T03:04:05.000Z", holders: ["work"] };
const lastMove = { from: "laptop", to: "home", finishedAt: "2026-01-02T03:04:05.000Z", bytes: 3_000_000, seconds: 40 };

describe("where to", () => {
  it("is first where it went the last time, then who holds an earlier state, then the rest", () => {
    expect(destinations({ ...WORKSPACE_STATUS, generation, lastMove }, service)).toEqual(["home", "work", "cloud"]);
    expect(destinations({ ...WORKSPACE_STATUS, generation, lastMove: null }, service)).toEqual(["work", "cloud", "home"]);
    const cameFrom = { ...lastMove, from: "cloud", to: "laptop" };
    expect(destinations({ ...WORKSPACE_STATUS, generation: null, lastMove: cameFrom }, service)).toEqual(["cloud", "home", "work"]);
    expect(destinations({ ...WORKSPACE_STATUS, generation, lastMove }, { ...service, peers: [] })).toEqual([]);
  });
});

describe("laying down", () => {
  it("is offered for hosts that do not hold the base, if there is one or it can be made", () => {
    const here = { ...WORKSPACE_STATUS, owner: "here", generation };
    expect(lackingHosts(here, service)).toEqual(["cloud", "home"]);
    expect(lackingHosts({ ...here, base: null, generation: null }, service)).toEqual(["cloud", "home", "work"]);
    expect(lackingHosts({ ...here, base: null, generation: null, state: "off" }, service)).toEqual([]);
    expect(lackingHosts({ ...here, state: "off" }, service)).toEqual(["cloud", "home"]);
    expect(lackingHosts({ ...here, owner: "home", state: "away" }, service)).toEqual([]);
  });

  it("says how far it is", () => {
    const update = { phase: "push", done: 3e6, total: 12e6, unit: "bytes" } as const;
    expect(bytesText(update, 8400)).toBe("Sending · about 8.0 s left · 3.00 MB of 12.0 MB");
    expect(bytesText({ phase: "hash", done: 1, unit: "steps" }, undefined)).toBe("Reading");
    expect(stepText(update, 900)).toBe("Sending");
  });
});

describe("a card", () => {
  const away = { ...WORKSPACE_STATUS, owner: "home", state: "away" as const };

  it("says where it lives and how it is", () => {
    expect(placeText({ ...WORKSPACE_STATUS, owner: "here" }, "laptop")).toBe("Lives here, on laptop");
    expect(placeText(away, "laptop")).toBe("Lives on home");
    expect(stateText({ ...WORKSPACE_STATUS, state: "busy", doing: "seal" })).toBe("Busy: seal");
    expect(stateText({ ...WORKSPACE_STATUS, state: "running", stalled: "disk-full" })).toBe("Stands still: disk full");
    expect(busyText({ ...WORKSPACE_STATUS, state: "busy", doing: "start" })).toBe("Starting…");
    expect(busyText({ ...WORKSPACE_STATUS, state: "busy", doing: "take" })).toBe("Busy: take");
    expect(movingText(away, "laptop")).toEqual(["To bring it here, press “Migrate to laptop” on home."]);
    expect(movingText({ ...WORKSPACE_STATUS, owner: "here", generation, lastMove, log: null }, "laptop")).toEqual([
      "An earlier state is on work",
      "Last move, to home: 3.00 MB in 40 s",
    ]);
  });

  it("shows a light only where something can be recorded", () => {
    const here = { ...WORKSPACE_STATUS, owner: "here", state: "running" as const };
    const log = { events: 1, bytes: 1, durationMs: 1, recording: true };
    expect(lightOf({ ...here, log, recordingPaused: false })).toBe("recording");
    expect(lightOf({ ...here, log, recordingPaused: true })).toBe("paused");
    expect(lightOf({ ...here, log: null, recordingPaused: false })).toBe("none");
    expect(lightOf({ ...here, state: "off" })).toBeNull();
    expect(lightOf(away)).toBeNull();
  });

  it("says why there is no screen", () => {
    expect(noScreenText(away)).toBe("Runs elsewhere");
    expect(noScreenText({ ...WORKSPACE_STATUS, owner: "here", state: "off" })).toBe("Switched off");
    expect(noScreenText({ ...WORKSPACE_STATUS, owner: "here", state: "running", recordingPaused: true })).toBe("Private moment");
  });

  it("says how long ago", () => {
    const now = Date.parse("2026-01-02T00:00:00Z");
    expect(["2026-01-02T00:00:00Z", "2026-01-01T23:58:30Z", "2026-01-01T20:00:00Z", "2025-12-30T00:00:00Z"].map((at) => ago(at, now))).toEqual([
      "just now",
      "a minute ago",
      "4 hours ago",
      "3 days ago",
    ]);
  });
});

describe("watching the status", () => {
  it("answers at once to who knows none, and to others when it has changed", async () => {
    let current = SERVICE_STATUS;
    let looks = 0;
    const feed = new StatusFeed(() => {
      looks++;
      return Promise.resolve(current);
    });
    const { signal } = new AbortController();
    const first = await feed.next(undefined, signal);
    expect(first.status).toEqual(SERVICE_STATUS);
    const waiting = feed.next(first.revision, signal);
    expect(await feed.next(first.revision - 1, signal)).toEqual(first);
    current = { ...SERVICE_STATUS, host: "other" };
    const second = await waiting;
    expect(second).toEqual({ revision: first.revision + 1, status: current });
    const before = looks;
    // Nobody waits, so nobody looks.
    await new Promise((resolve) => setTimeout(resolve, 900));
    expect(looks).toBe(before);
  });

  it("ends when the client goes", async () => {
    const feed = new StatusFeed(() => Promise.resolve(SERVICE_STATUS));
    const stop = new AbortController();
    const { revision } = await feed.next(undefined, stop.signal);
    const waiting = feed.next(revision, stop.signal);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
  });
});

describe("stopping a migration", () => {
  it("stops the one of that workspace, while there is one", () => {
    const stops = new MigrationStops();
    const [work, play] = [new AbortController(), new AbortController()];
    stops.add("work", work);
    stops.add("play", play);
    stops.stop("work");
    expect([work.signal.aborted, play.signal.aborted]).toEqual([true, false]);
    stops.remove("work", work);
    expect(() => { stops.stop("work"); }).toThrow("work is not being moved away from here");
  });
});

describe("a small picture", () => {
  it("keeps proportions and mean colours, and is never larger than the full one", () => {
    const [width, height] = [640, 400];
    const pixels = Buffer.alloc(width * height * 4);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) pixels.set(x < width / 2 ? [200, 100, 0, 0] : (x + y) % 2 === 0 ? [255, 255, 255, 0] : [0, 0, 0, 0], (y * width + x) * 4);
    const small = shrink({ pixels, width, height }, 320);
    expect([small.width, small.height, small.pixels.length]).toEqual([320, 200, 320 * 200 * 4]);
    expect([...small.pixels.subarray(0, 3)]).toEqual([200, 100, 0]);
    const tiny = shrink({ pixels, width, height }, 64);
    expect([tiny.width, tiny.height]).toEqual([64, 40]);
    expect([...tiny.pixels.subarray(-4, -1)].every((value) => value > 60 && value < 200)).toBe(true);
    expect(shrink({ pixels: pixels.subarray(0, 16), width: 2, height: 2 }, 320)).toMatchObject({ width: 2, height: 2 });
    expect(shrink({ pixels: Buffer.alloc(4 * 8192), width: 8192, height: 1 }, 320)).toMatchObject({ width: 320, height: 1 });
  });
});
