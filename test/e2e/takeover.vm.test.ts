import { rename } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WorkspaceStatus } from "../../protocol/control.ts";
import { TwoHosts, WORKSPACE, eventually, failure, stillPicture, type, type TestHost } from "./migration-hosts.ts";

let hosts: TwoHosts;
beforeAll(async () => {
  hosts = await TwoHosts.create();
});
afterAll(async () => {
  await hosts.end();
});

async function all(host: TestHost): Promise<WorkspaceStatus[]> {
  return (await host.call("status", {})).workspaces;
}

async function returned(host: TestHost): Promise<WorkspaceStatus[]> {
  return (await all(host)).filter(({ name }) => name.startsWith(`${WORKSPACE}-returned-`));
}

async function typeSomething(host: TestHost): Promise<void> {
  const console = await host.console();
  await stillPicture(console);
  await type(console, "date\n");
  await stillPicture(console);
  console.close();
}

describe("a host that is gone for good", () => {
  it("loses its workspace to the one that takes it over, and keeps its work under another name when it returns", async () => {
    const { near, far } = hosts;
    await typeSomething(near);
    expect(await failure(near.call("takeover", { workspace: WORKSPACE }))).toMatchObject({ code: "CONFLICT" });
    await near.kill();
    const preview = await far.call("takeover", { workspace: WORKSPACE });
    expect(preview).toMatchObject({ owner: "near", workspace: null });
    const { createdAt } = (await far.workspace()).generation ?? {};
    expect(preview.since).toBe(createdAt);
    expect(await far.workspace()).toMatchObject({ owner: "near", state: "away" });

    const taken = await far.call("takeover", { workspace: WORKSPACE, confirmed: true });
    expect(taken.workspace).toMatchObject({ owner: "here", state: "suspended" });
    await far.restart();
    await far.call("start", { workspace: WORKSPACE });

    // It comes back, with its machine running, and hears of it from the new owner.
    await near.start();
    await eventually("it is fenced", async () => (await returned(near)).length === 1, 120_000);
    const [kept] = await returned(near);
    expect(kept).toMatchObject({ owner: "here", state: "suspended" });
    expect(kept?.note).toMatch(/far took desk over/);
    expect(await near.workspace()).toMatchObject({ owner: "far", state: "away" });
    await near.call("start", { workspace: kept?.name ?? "" });
    expect((await returned(near))[0]).toMatchObject({ state: "running" });
    await near.call("power", { workspace: kept?.name ?? "", action: "off" });
    await near.call("delete", { workspace: kept?.name ?? "" });

    await far.call("migrate", { workspace: WORKSPACE, peer: "near", mode: "overlay" });
    expect(await near.workspace()).toMatchObject({ owner: "here", state: "running" });
    expect(await far.workspace()).toMatchObject({ owner: "near" });
  });

  it("is told when it wants to move the workspace itself", async () => {
    const { near, far, dir } = hosts;
    await near.kill();
    await far.call("takeover", { workspace: WORKSPACE, confirmed: true });
    await near.start();
    // Only the old owner can reach the new one.
    await rename(join(dir, "near.sock"), join(dir, "unreachable.sock"));
    await typeSomething(near);
    const refused = await failure(near.call("migrate", { workspace: WORKSPACE, peer: "far", mode: "overlay" }));
    expect(refused).toMatchObject({ code: "CONFLICT", message: expect.stringMatching(/far took desk over/) as string });
    const [kept] = await returned(near);
    expect(refused.hint).toContain(kept?.name);
    expect(kept).toMatchObject({ owner: "here", state: "suspended" });
    expect(await near.workspace()).toMatchObject({ owner: "far", state: "away" });
    expect(await far.workspace()).toMatchObject({ owner: "here" });
  });
});
