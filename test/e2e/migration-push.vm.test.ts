import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { failure, makeTiny, promptShown, removeRunFolders, stillPicture, TestHost, type, WORKSPACE } from "./migration-hosts.ts";
import { TcpRelay } from "./tcp-relay.ts";

/** A host that has never heard of a workspace gets its generation, and then the workspace itself. */
const MB = 1e6;
const RIGHTS = { push: true, take: true, workspaces: null };

let dir: string;
let near: TestHost;
let far: TestHost;
let relay: TcpRelay;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-pushed-"));
  near = new TestHost(dir, "near", "paired");
  far = new TestHost(dir, "far", "paired");
  await Promise.all([near.start(), far.start()]);
  const theirs = await far.call("hosts", {});
  const ours = await near.call("hosts", {});
  relay = await TcpRelay.to(String(theirs.listen));
  await near.call("pair", { id: theirs.id, address: relay.address, name: "far", rights: RIGHTS });
  await far.call("pair", { id: ours.id, address: String(ours.listen), name: "near", rights: RIGHTS });
  await makeTiny(near);
  await near.call("start", { workspace: WORKSPACE });
  const console = await near.console();
  await promptShown(console);
  await type(console, "clear\n");
  await stillPicture(console, 1500);
  console.close();
  await near.call("seal", { workspace: WORKSPACE });
});
afterAll(async () => {
  await Promise.allSettled([near.end(), far.end(), relay.close()]);
  for (const { state } of [near, far]) await removeRunFolders(state);
  await rm(dir, { recursive: true, force: true });
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
    const report = await migrate();
    expect(report).toMatchObject({ verified: true, mode: "replay", base_root: result.root, replay: { gave_up: null } });
    expect(await far.workspace()).toMatchObject({ owner: "here", state: "running" });
    expect((await near.call("hosts", {})).holdings[0]).toMatchObject({ host: "far", workspace: WORKSPACE });
  });
});
