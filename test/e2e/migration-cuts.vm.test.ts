import { readFile } from "node:fs/promises";
import { getPriority } from "node:os";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { delay } from "../../common/abort.ts";
import type { ProgressUpdate } from "../../common/progress.ts";
import type { MigrationReport } from "../../protocol/report.ts";
import type { FrameName } from "../../protocol/wire.ts";
import { processes } from "../faults/audit.ts";
import type { Sender } from "./frame-relay.ts";
import { TwoHosts, WORKSPACE, eventually, failure, type TestHost } from "./migration-hosts.ts";

let hosts: TwoHosts;
const seen: ProgressUpdate[] = [];

beforeAll(async () => {
  hosts = await TwoHosts.create(undefined, { patienceMinutes: 10 });
});
afterAll(async () => {
  await hosts.end();
});
afterEach(() => {
  hosts.relay.trap = null;
  hosts.relay.impostor = null;
});

function migrate(mode: "replay" | "overlay" = "overlay", signal?: AbortSignal): Promise<MigrationReport> {
  seen.length = 0;
  return hosts.near.call(
    "migrate",
    { workspace: WORKSPACE, peer: "far", mode },
    { onProgress: (update) => seen.push(update), ...(signal === undefined ? {} : { signal }) },
  );
}

async function bringBack(): Promise<void> {
  await hosts.far.call("migrate", { workspace: WORKSPACE, peer: "near", mode: "overlay" });
  expect(await hosts.near.workspace()).toMatchObject({ owner: "here", state: "running" });
}

/** The connection is cut at each of these frames, in this order; a frame may stand there twice. */
function cutAt(frames: readonly (readonly [Sender, FrameName])[], meanwhile: () => Promise<void> = () => Promise.resolve()): () => number {
  let cuts = 0;
  const rest = [...frames];
  const setNext = (): void => {
    const next = rest.shift();
    if (next === undefined) return;
    const [from, frame] = next;
    hosts.relay.trap = {
      from,
      frame,
      then: async () => {
        await meanwhile();
        cuts++;
        setNext();
        return "cut";
      },
    };
  };
  setNext();
  return () => cuts;
}

/** From now on nothing reaches the destination, until `hosts.relay.impostor` is null again. */
function loseNetwork(): Promise<void> {
  hosts.relay.impostor = (caller) => caller.destroy();
  return Promise.resolve();
}

async function expectDropped(host: TestHost): Promise<void> {
  await eventually("it is given up there", async () => (await host.workspace()).migration === null);
}

describe("a migration whose connection is cut", () => {
  it("several times in each phase goes on where it was, and every byte is counted", async () => {
    const { relay, near, far } = hosts;
    const plain = await migrate();
    await bringBack();
    relay.bytes = 0;
    const frames = [
      ["caller", "logEnd"],
      ["caller", "logEnd"],
      ["caller", "index"],
      ["caller", "index"],
      ["caller", "indexEnd"],
      ["caller", "device"],
      ["caller", "manifest"],
      ["answerer", "need"],
      ["answerer", "need"],
      ["caller", "residual"],
      ["caller", "residual"],
      ["caller", "residualEnd"],
      ["answerer", "prepared"],
      ["answerer", "prepared"],
    ] as const;
    const cuts = cutAt(frames);
    const report = await migrate();
    expect(cuts()).toBe(frames.length);
    expect(report.verified).toBe(true);
    expect(Math.abs(report.bytes.total - relay.bytes)).toBeLessThan(relay.bytes / 100);
    // Greetings of each connection; what was cut had not passed, so nothing had to be sent twice.
    const { log, index, need, residual, device } = report.bytes;
    const exchanged = log + index + need + residual + device;
    expect(relay.bytes).toBeLessThan(exchanged + plain.bytes.control + frames.length * 500 + 4096);
    expect(await far.workspace()).toMatchObject({ owner: "here", state: "running" });
    expect(await near.workspace()).toMatchObject({ owner: "far", migration: null });
    await bringBack();
  });

  it("while the twin replays, with limits, for half a minute, says why it waits and then goes on", async () => {
    let limits = "";
    let niceness = 0;
    const cuts = cutAt([["caller", "manifest"]], async () => {
      await loseNetwork();
      const ofFar = (await processes(new Set())).filter(({ args }) => args.some((arg) => arg.includes(hosts.far.state)));
      const twin = ofFar.find(({ args }) => args.some((arg) => arg.startsWith("guest=twin-")));
      if (twin !== undefined) [limits, niceness] = [await readFile(`/proc/${twin.pid}/limits`, "utf8"), getPriority(twin.pid)];
      void delay(30_000).then(() => {
        hosts.relay.impostor = null;
      });
    });
    const report = await migrate("replay");
    expect(cuts()).toBe(1);
    expect(limits).toMatch(/^Max address space +\d{10,} +\d{10,} /m);
    expect(limits).toMatch(/^Max cpu time +14400 +14400 /m);
    expect(niceness).toBe(getPriority() + 5);
    expect(report.verified).toBe(true);
    const waiting = seen.filter(({ phase }) => phase === "waiting");
    expect(waiting.length).toBeGreaterThan(10);
    expect(waiting.map(({ note }) => note)).toContain("waiting for far: connection lost 12 s ago, trying again");
    await bringBack();
  });

  it("can be stopped meanwhile; the workspace runs on at once, and the other host hears of it later", async () => {
    const stop = new AbortController();
    cutAt([["caller", "indexEnd"]], loseNetwork);
    const migration = failure(migrate("overlay", stop.signal));
    await eventually("it waits", () => Promise.resolve(seen.some(({ phase }) => phase === "waiting")));
    await eventually("the other host waits", async () =>
      /waiting for near: connection lost/.test((await hosts.far.workspace()).migration?.progress?.note ?? ""),
    );
    stop.abort();
    expect(await migration).toMatchObject({ code: "CANCELLED" });
    expect(await hosts.near.workspace()).toMatchObject({ owner: "here", state: "running" });
    expect((await hosts.far.workspace()).migration).not.toBeNull();
    hosts.relay.impostor = null;
    await expectDropped(hosts.far);
  });

  it("ends on both hosts when one of the services was killed meanwhile", async () => {
    for (const victim of [hosts.near, hosts.far]) {
      cutAt([["caller", "residualEnd"]], loseNetwork);
      const migration = failure(migrate());
      await eventually("it waits", () => Promise.resolve(seen.some(({ phase }) => phase === "waiting")));
      await victim.restart();
      hosts.relay.impostor = null;
      expect((await migration).code).toMatch(/PEER|ENVIRONMENT/);
      await eventually("it runs on", async () => (await hosts.near.workspace()).state === "running");
      await expectDropped(hosts.near);
      await expectDropped(hosts.far);
    }
    expect((await migrate()).verified).toBe(true);
    await bringBack();
  });
});
