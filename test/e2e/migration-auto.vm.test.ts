import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { delay } from "../../common/abort.ts";
import type { MigrationReport } from "../../protocol/report.ts";
import { frameHeader } from "../../protocol/wire.ts";
import { eventually, run, sees, TwoHosts, WORKSPACE } from "./migration-hosts.ts";

let hosts: TwoHosts;
beforeAll(async () => {
  hosts = await TwoHosts.create();
});
afterAll(async () => {
  await hosts.end();
});

function show({ mode, bytes, choice, blocks, phases }: MigrationReport): void {
  const origins = `${String(blocks.twin)} from the twin, ${String(blocks.shipped)} sent`;
  process.stdout.write(`${mode}: ${String(bytes.total)} bytes, ${String(phases.click_to_usable_s)} s, ${origins}; ${choice?.why ?? "as was asked"}\n`);
}

/** What the guest makes of nothing, and again when that is replayed: digits that pack badly. */
const MAKE_DATA = 'awk "BEGIN{srand(7);for(i=0;i<150000;i++)print int(rand()*1e9)}" > made; sync; echo 3 > /proc/sys/vm/drop_caches; md5sum made\n';

describe("a mode that is left to the service", () => {
  it("is replay where the user made data and bytes count, and what came out is at most what was expected of overlay", async () => {
    const { near, far } = hosts;
    const console = await near.console();
    const before = await run(console, MAKE_DATA);
    console.close();
    const report = await near.call("migrate", { workspace: WORKSPACE, peer: "far", mode: "auto", metered: true });
    show(report);
    expect(report).toMatchObject({ verified: true, mode: "replay", owner: "far", choice: { metered: true, stopped: null } });
    expect(report.choice?.why).toMatch(/^replay: about .*B and .* s instead of .*B and .* s by overlay$/);
    const { replay, overlay } = report.choice ?? {};
    expect(replay?.bytes).toBeLessThan(overlay?.bytes ?? 0);
    expect(overlay?.bytes).toBeGreaterThan(400_000);
    expect((await far.call("report", { id: report.id })).report).toEqual(report);
    expect((await near.call("report", {})).migrations[0]).toMatchObject({ id: report.id, mode: "replay" });

    // The same state again, without a replay.
    const without = await far.call("measure", { workspace: WORKSPACE, root: report.root_source, peer: "near", mode: "overlay" });
    show(without);
    const { log, index, total } = report.bytes;
    expect(total).toBeLessThanOrEqual(1.01 * without.bytes.total + log + index);
    // What was expected of it without sending it.
    expect(overlay?.bytes).toBeGreaterThan(0.8 * without.bytes.total);
    expect(overlay?.bytes).toBeLessThan(1.5 * without.bytes.total);

    const there = await far.console();
    await sees(there, before);
    there.close();
  });

  it("is overlay where almost nothing was done, and then no log is sent", async () => {
    const { near, far } = hosts;
    const there = await far.console();
    await run(there, "echo hardly anything\n");
    there.close();
    expect((await far.workspace()).log?.events).toBeGreaterThan(20);
    const report = await far.call("migrate", { workspace: WORKSPACE, peer: "near", mode: "auto", metered: true });
    show(report);
    expect(report).toMatchObject({ verified: true, mode: "overlay", owner: "near", replay: null, notes: [] });
    expect(report.choice?.why).toContain("there is little to save");
    expect(report.choice?.replay).not.toBeNull();
    expect(report.bytes.log).toBeLessThan(10);
    expect(report.blocks.twin).toBe(0);
    for (const host of [near, far]) expect((await host.call("report", {})).migrations.find(({ id }) => id === report.id)?.mode).toBe("overlay");
  });

  it("can be given up while the other host replays, and what its twin made so far is used", async () => {
    const { near, far, relay } = hosts;
    const console = await near.console();
    // The second part has to wait for the first one to be over, there as here.
    await run(console, "seq 1 3000 > a; sleep 12; echo waited\n");
    const before = await run(console, "seq 5000 9000 > b; echo done\n");
    console.close();
    // As the source would say it.
    relay.trap = {
      from: "caller",
      frame: "manifest",
      then: async (payload) => {
        await eventually("it waits for the first part to be over", async () => {
          const progress = (await far.workspace()).migration?.progress ?? null;
          return progress?.phase === "replay" && progress.done >= 2;
        });
        // The twin is to have made something by then.
        await delay(3000);
        return Buffer.concat([frameHeader("manifest", payload.length), payload, frameHeader("stopReplay", 0)]);
      },
    };
    const report = await near.call("migrate", { workspace: WORKSPACE, peer: "far", mode: "replay" });
    show(report);
    expect(report).toMatchObject({ verified: true, mode: "replay", owner: "far", choice: null });
    expect(report.replay?.gave_up).toBe("waiting for the rest did not pay any more");
    expect(report.blocks.twin).toBeGreaterThan(0);
    const there = await far.console();
    await sees(there, before);
    there.close();
  });
});
