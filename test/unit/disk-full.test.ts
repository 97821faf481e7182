import { pino } from "pino";
import { describe, expect, it, vi } from "vitest";
import { Stalls } from "../../electron/main/stalls.ts";
import { HomewardError } from "../../common/errors.ts";
import type { ServiceStatus } from "../../protocol/control.ts";
import { encodeSegment } from "../../protocol/input-log.ts";
import type { ServiceContext } from "../../service/context.ts";
import { TwinRun, type TwinResult, type TwinRunOptions } from "../../service/migration/twin-run.ts";
import { Twin } from "../../service/migration/twin.ts";
import { DiskFullWatch, ROOM_TO_GO_ON, requireRoomToGoOn } from "../../service/workspaces/disk-full.ts";
import { Machine } from "../../vm/machine.ts";
import { QmpClient } from "../../vm/qmp-client.ts";
import { ScriptedPeer } from "./vm-streams.ts";

interface World {
  readonly watch: DiskFullWatch;
  /** Waits between looks, in milliseconds. */
  readonly waits: number[];
  /** How often it was let go on. */
  times: number;
  stands: boolean;
  /** What statfs tells at each look; the last one from then on. */
  free: number[];
  /** What letting it go on leads to. */
  onGoOn: () => void;
  readonly errors: string[];
  now: number;
}

function world(stopping = new AbortController().signal): World {
  const made: World = {
    watch: new DiskFullWatch(
      {
        stands: () => made.stands,
        freeBytes: () => Promise.resolve((made.free.length > 1 ? made.free.shift() : made.free[0]) ?? 0),
        goOn: () => {
          made.times++;
          made.onGoOn();
          return Promise.resolve();
        },
        stopping,
        onError: ({ message }) => made.errors.push(message),
      },
      {
        now: () => made.now,
        delay: (ms, signal) => {
          signal?.throwIfAborted();
          made.waits.push(ms);
          made.now += ms;
          return Promise.resolve();
        },
      },
    ),
    waits: [],
    times: 0,
    stands: true,
    free: [0],
    onGoOn: () => {
      made.stands = false;
    },
    errors: [],
    now: 0,
  };
  return made;
}

describe("a machine that stands still for want of room", () => {
  it("goes on once there is enough", async () => {
    const one = world();
    one.free = [0, 0, ROOM_TO_GO_ON - 1, ROOM_TO_GO_ON];
    await one.watch.stood();
    expect([one.times, one.waits]).toEqual([1, [1000, 1000, 1000, 1000]]);
  });

  it("is tried ever less often where room only seems to be", async () => {
    const one = world();
    one.free = [ROOM_TO_GO_ON];
    for (let round = 0; round < 8; round++) {
      one.stands = true;
      await one.watch.stood();
    }
    expect(one.waits).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    // It ran well for a while.
    one.now += 61_000;
    one.stands = true;
    await one.watch.stood();
    expect(one.waits.at(-1)).toBe(1000);
  });

  it("is not let go on when something else did that, or ended it", async () => {
    const one = world();
    one.free = [ROOM_TO_GO_ON];
    const looking = one.watch.stood();
    one.stands = false;
    await looking;
    expect(one.times).toBe(0);
  });

  it("is looked after by one watch at a time, until the service ends", async () => {
    const stop = new AbortController();
    const one = world(stop.signal);
    const looking = one.watch.stood();
    await one.watch.stood();
    expect(one.times).toBe(0);
    stop.abort();
    await looking;
    expect([one.stands, one.times]).toEqual([true, 0]);
  });

  it("is looked after although letting it go on failed", async () => {
    const one = world();
    one.free = [ROOM_TO_GO_ON];
    one.onGoOn = () => {
      if (one.times === 1) throw new HomewardError("GUEST", "QEMU says no");
      one.stands = false;
    };
    await one.watch.stood();
    expect([one.times, one.errors]).toEqual([2, ["QEMU says no"]]);
  });

  it("is told of by how much is missing", async () => {
    // Nothing can be written there.
    await expect(requireRoomToGoOn("desk", "/proc/disk.qcow2")).rejects.toMatchObject({
      code: "NO_ROOM",
      message: expect.stringMatching(/desk stands still/) as string,
      hint: expect.stringMatching(/Free 34 MB/) as string,
    });
    await requireRoomToGoOn("desk", import.meta.filename);
  });
});

describe("QEMU's events", () => {
  /** A machine whose QEMU is asked for its status and says `states`, one after the other. */
  async function machine(...states: string[]): Promise<{ machine: Machine; peer: ScriptedPeer }> {
    const peer = new ScriptedPeer();
    peer.onData = (data) => {
      for (const line of data.toString().trim().split("\n")) {
        const { execute, id } = JSON.parse(line) as { execute: string; id: number };
        const answer = execute === "query-status" ? { status: states.shift() } : {};
        peer.say(`${JSON.stringify({ return: answer, id })}\n`);
      }
    };
    peer.say('{"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": []}}\n');
    const qmp = await QmpClient.open(peer.socket);
    return { machine: new Machine("/run/none", { pid: process.pid, startTicks: "0" }, qmp), peer };
  }

  it("tell a machine without room from one that was paused", async () => {
    const { machine: one, peer } = await machine("paused", "io-error", "running");
    let told = 0;
    one.onNoRoom(() => told++);
    peer.say('{"event":"STOP"}\n');
    peer.say('{"event":"STOP"}\n');
    await expect.poll(() => told).toBe(1);
    expect([told, await one.isOutOfRoom()]).toEqual([1, false]);
    one.disconnect();
  });
});

describe("a twin", () => {
  /** What became of a twin whose replay fails so, and what was done with it. */
  async function replayFailing(code: "NO_ROOM" | "GUEST"): Promise<{ readonly result: TwinResult; readonly done: readonly string[] }> {
    const done: string[] = [];
    const twin = {
      replay: () => Promise.reject(new HomewardError(code, "there was no room")),
      open: () => {
        done.push("open");
        return Promise.resolve({ devices: {}, close: () => Promise.resolve() });
      },
      destroy: () => {
        done.push("destroy");
        return Promise.resolve();
      },
    };
    const prepare = vi.spyOn(Twin, "prepare").mockResolvedValue(twin as unknown as Twin);
    const segment = await encodeSegment([{ atMs: 1, kind: "mark", mark: "suspend" }]);
    const run = new TwinRun({ log: pino({ level: "silent" }) } as unknown as ServiceContext, {
      log: Promise.resolve([segment]),
      files: Promise.resolve({}),
      enough: new AbortController().signal,
      signal: new AbortController().signal,
    } as unknown as TwinRunOptions);
    const result = await run.run();
    prepare.mockRestore();
    return { result, done };
  }

  it("that has used up the disk is given up at once, and with it what it took", async () => {
    const { result, done } = await replayFailing("NO_ROOM");
    expect(done).toEqual(["destroy"]);
    expect(result).toMatchObject({ open: null, notes: ["the twin could not be used: there was no room"] });
  });

  it("that fails otherwise is used as far as it came", async () => {
    const { result, done } = await replayFailing("GUEST");
    expect(done).toEqual(["open"]);
    expect(result.open).not.toBeNull();
  });
});

describe("the app", () => {
  const status = (stalled: "disk-full" | null): ServiceStatus => ({ workspaces: [{ name: "desk", stalled }] }) as unknown as ServiceStatus;

  it("tells once of each time that a machine stands still", () => {
    const stalls = new Stalls();
    const told = ([null, "disk-full", "disk-full", null, "disk-full"] as const).map((stalled) => stalls.next(status(stalled)));
    expect(told).toEqual([[], ["desk"], [], [], ["desk"]]);
  });
});
