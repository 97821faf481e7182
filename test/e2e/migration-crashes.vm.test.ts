import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { delay } from "../../common/abort.ts";
import type { HomewardError } from "../../common/errors.ts";
import type { MigrationReport } from "../../protocol/report.ts";
import type { FrameName } from "../../protocol/wire.ts";
import { TwoHosts, WORKSPACE, eventually, failure, stillPicture, type, type TestHost } from "./migration-hosts.ts";

let hosts: TwoHosts;
beforeAll(async () => {
  hosts = await TwoHosts.create();
});
afterAll(async () => {
  await hosts.end();
});
afterEach(() => {
  hosts.relay.trap = null;
});

function migrate(mode: "replay" | "overlay" = "overlay", signal?: AbortSignal): Promise<MigrationReport> {
  return hosts.near.call("migrate", { workspace: WORKSPACE, peer: "far", mode }, signal === undefined ? {} : { signal });
}

/** Both hosts agree on who owns it, nothing is under way, and only the owner has a machine. */
async function expectOwner(owner: TestHost): Promise<void> {
  const other = owner === hosts.near ? hosts.far : hosts.near;
  await eventually("one owner", async () => {
    const [mine, theirs] = [await owner.workspace(), await other.workspace()];
    return mine.owner === "here" && theirs.owner === owner.name && mine.migration === null && theirs.migration === null;
  });
  expect((await other.workspace()).pid).toBeNull();
}

/** It is on `near`, runs, and does what it is told: nothing was harmed. */
async function expectUnharmed(): Promise<void> {
  await eventually("it runs on the source", async () => (await hosts.near.workspace()).state === "running");
  await expectOwner(hosts.near);
  const console = await hosts.near.console();
  const before = await stillPicture(console);
  await type(console, "date\n");
  expect((await stillPicture(console)).equals(before)).toBe(false);
  console.close();
}

/** Brings it back for the next test. */
async function bringBack(): Promise<void> {
  const { near, far } = hosts;
  await far.call("migrate", { workspace: WORKSPACE, peer: "near", mode: "overlay" });
  expect(await near.workspace()).toMatchObject({ owner: "here", state: "running" });
}

describe("a destination that is killed", () => {
  for (const [frame, mode] of [
    ["logEnd", "replay"],
    ["indexEnd", "overlay"],
    ["residualEnd", "overlay"],
  ] as const satisfies [FrameName, "replay" | "overlay"][])
    it(`when ${frame} should reach it leaves the source as it was`, async () => {
      hosts.relay.trap = {
        from: "caller",
        frame,
        then: async () => {
          await hosts.far.kill();
          return "cut";
        },
      };
      expect(await failure(migrate(mode))).toMatchObject({ code: "PEER" });
      await hosts.far.start();
      await expectUnharmed();
    });

  it("when it is prepared, before the source hears of it, drops what it has", async () => {
    hosts.relay.trap = {
      from: "answerer",
      frame: "prepared",
      then: async () => {
        await hosts.far.kill();
        return "cut";
      },
    };
    expect(await failure(migrate())).toMatchObject({ code: "PEER" });
    await hosts.far.start();
    await expectUnharmed();
  });

  it("when it was released takes the workspace once it is back", async () => {
    const killed = Promise.withResolvers<HomewardError>();
    hosts.relay.trap = {
      from: "caller",
      frame: "release",
      then: async () => {
        const refusal = await failure(hosts.far.call("delete", { workspace: WORKSPACE }));
        await hosts.far.kill();
        killed.resolve(refusal);
        return "cut";
      },
    };
    const migration = migrate();
    expect(await killed.promise).toMatchObject({ code: "CONFLICT" });
    expect(await failure(hosts.near.call("start", { workspace: WORKSPACE }))).toMatchObject({ code: "CONFLICT" });
    await hosts.far.start();
    expect((await migration).notes.join()).toMatch(/broke after the release/);
    await expectOwner(hosts.far);
    await eventually("it runs there", async () => (await hosts.far.workspace()).state === "running");
    await bringBack();
  });
});

describe("a source that is killed", () => {
  it("before it released goes on by itself", async () => {
    hosts.relay.trap = {
      from: "answerer",
      frame: "prepared",
      then: async () => {
        await hosts.near.kill();
        return "cut";
      },
    };
    await failure(migrate());
    await hosts.near.start();
    await expectUnharmed();
  });

  for (const frame of ["release", "taken"] as const)
    it(`after it released, when ${frame} was under way, never runs it again`, async () => {
      hosts.relay.trap = {
        from: frame === "release" ? "caller" : "answerer",
        frame,
        then: async () => {
          await Promise.all([hosts.near.kill(), hosts.far.kill()]);
          return "cut";
        },
      };
      await failure(migrate());
      await Promise.all([hosts.near.start(), hosts.far.start()]);
      await expectOwner(hosts.far);
      await eventually("it runs there", async () => (await hosts.far.workspace()).state === "running");
      await bringBack();
    });
});

describe("a user who changes their mind", () => {
  for (const [from, frame, laterMs] of [
    ["answerer", "accept", 0],
    // While the twin replays, which takes two seconds, and the source only waits.
    ["caller", "manifest", 800],
    ["answerer", "need", 0],
    ["answerer", "prepared", 0],
  ] as const)
    it(`${String(laterMs)} ms after ${frame} has the workspace back at once`, async () => {
      const stop = new AbortController();
      let stoppedMs = Infinity;
      hosts.relay.trap = {
        from,
        frame,
        then: async () => {
          const stopNow = (): void => {
            stoppedMs = performance.now();
            stop.abort();
          };
          if (laterMs > 0) setTimeout(stopNow, laterMs);
          else {
            stopNow();
            // The cancellation overtakes the frame.
            await delay(200);
          }
          return "pass";
        },
      };
      expect(await failure(migrate("replay", stop.signal))).toMatchObject({ code: "CANCELLED" });
      expect(performance.now() - stoppedMs).toBeLessThan(3000);
      expect(await hosts.near.workspace()).toMatchObject({ owner: "here", state: "running" });
      await expectUnharmed();
    });

  it("can change it again at once", async () => {
    const stop = new AbortController();
    hosts.relay.trap = {
      from: "caller",
      frame: "manifest",
      then: () => {
        setTimeout(() => {
          stop.abort();
        }, 300);
        return Promise.resolve("pass");
      },
    };
    expect(await failure(migrate("replay", stop.signal))).toMatchObject({ code: "CANCELLED" });
    hosts.relay.trap = null;
    // The destination may still be ending its twin; it is not asked to hurry by anyone waiting here.
    expect((await migrate("replay")).verified).toBe(true);
    await expectOwner(hosts.far);
    await bringBack();
  });

  it("after the release is too late", async () => {
    const stop = new AbortController();
    hosts.relay.trap = {
      from: "caller",
      frame: "release",
      then: () => {
        stop.abort();
        return Promise.resolve("pass");
      },
    };
    // The call may say CANCELLED or give the report; either way the workspace moved.
    await migrate("overlay", stop.signal).catch(() => undefined);
    await expectOwner(hosts.far);
  });
});
