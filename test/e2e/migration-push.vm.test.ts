import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { failure, makeTiny, removeHosts, sealAtPrompt, TestHost, type, WORKSPACE } from "./migration-hosts.ts";
import { pairThroughRelay, type TcpRelay } from "./tcp-relay.ts";

/** A host that has never heard of a workspace gets its generation, and then the workspace itself. */
const MB = 1e6;

let dir: string;
let near: TestHost;
let far: TestHost;
let relay: TcpRelay;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-pushed-"));
  near = new TestHost(dir, "near", "paired");
  far = new TestHost(dir, "far", "paired");
  await Promise.all([near.start(), far.start()]);
  relay = await pairThroughRelay(near, far);
  await makeTiny(near);
  await sealAtPrompt(near);
});
afterAll(async () => {
  await relay.close();
  await removeHosts(dir, near, far);
});

describe("a running workspace", () => {
  it("is pushed over a link that is cut, and then moves there by replay", async () => {
    const migrate = (): Promise<unknown> =>
      near.call("migrate", { workspace: WORKSPACE, peer: "far", mode: "replay", hold: false });
    expect((await failure(migrate())).hint).toContain("homeward push desk far");
    relay.bytes = 0;
    relay.cutAt = 8 * MB;
    expect((await failure(near.call("push", { workspace: WORKSPACE, peer: "far" }))).hint).toContain("goes on where this stopped");
    const console = await near.console();
    await type(console, "echo meanwhile\n");
    console.close();
    const result = await near.call("push", { workspace: WORKSPACE, peer: "far" });
    // Of what passed the relay some was still in pipes, and some may have been zeroes, which take no room.
    expect(result.landedBytes).toBeGreaterThan(MB);
    expect(await near.workspace()).toMatchObject({ owner: "here", state: "running" });
    expect(await far.workspace()).toMatchObject({ owner: "near", state: "away", base: result.root });
    expect((await near.call("check", { workspace: WORKSPACE, peer: "far", purpose: "migration" })).missing).toEqual([]);

    // What was done since costs little, and a move then has no more to bring than what comes after.
    const fresh = await near.call("push", { workspace: WORKSPACE, peer: "far", anew: true });
    process.stdout.write(`a fresh generation: ${String(fresh.linkBytes)} of ${String(result.linkBytes)} bytes, ${String(fresh.seconds)} s\n`);
    expect(fresh).toMatchObject({ held: false, landedBytes: 0 });
    expect(fresh.root).not.toBe(result.root);
    expect(fresh.linkBytes).toBeLessThan(result.linkBytes / 20);
    expect(await near.workspace()).toMatchObject({ owner: "here", state: "running", base: fresh.root });
    expect(await far.workspace()).toMatchObject({ owner: "near", state: "away", base: fresh.root });
    const again = await near.console();
    await type(again, "echo since\n");
    again.close();
    const report = await migrate();
    expect(report).toMatchObject({ verified: true, mode: "replay", base_root: fresh.root, replay: { gave_up: null } });
    expect(await far.workspace()).toMatchObject({ owner: "here", state: "running" });
    expect((await near.call("hosts", {})).holdings[0]).toMatchObject({ host: "far", workspace: WORKSPACE });
  });
});
