import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { failure, makeTiny, removeHosts, sealAtPrompt, TestHost, WORKSPACE } from "./migration-hosts.ts";

/** Two hosts that are paired over TLS, and a third that is not. */
let dir: string;
let near: TestHost;
let far: TestHost;
let third: TestHost;

const ALL = { push: true, take: true, workspaces: null };

/** `on` knows `other` from now on. */
async function pair(on: TestHost, other: TestHost, rights: { push: boolean; take: boolean; workspaces: string[] | null } = ALL): Promise<void> {
  const { id, listen } = await other.call("hosts", {});
  await on.call("pair", { id: id.toLowerCase(), address: String(listen), name: other.name, rights });
}

const move = (from: TestHost, to: TestHost): Promise<unknown> =>
  from.call("migrate", { workspace: WORKSPACE, peer: to.name, mode: "replay", hold: false });

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-paired-"));
  near = new TestHost(dir, "near", "paired");
  far = new TestHost(dir, "far", "paired");
  third = new TestHost(dir, "third", "paired");
  await Promise.all([near.start(), far.start(), third.start()]);
  await makeTiny(near);
  const copy = join(dir, "export");
  await sealAtPrompt(near, copy);
  for (const other of [far, third]) await other.call("create", { workspace: WORKSPACE, from: copy, owner: "near", verified: true });
});
afterAll(async () => {
  await removeHosts(dir, near, far, third);
});

describe("a workspace between paired hosts", () => {
  it("does not move as long as one of them has not paired the other, or has not allowed it", async () => {
    await pair(near, far);
    expect((await failure(move(near, far))).code).toBe("PEER");
    expect((await far.call("hosts", {})).pending).toHaveLength(1);
    await pair(far, near, { ...ALL, push: false });
    expect((await far.call("hosts", {})).pending).toEqual([]);
    expect((await failure(move(near, far))).message).toContain("near may not move workspaces to far");
    await pair(far, near, { ...ALL, workspaces: ["other"] });
    expect((await failure(move(near, far))).message).toContain(`${WORKSPACE} is not one of the workspaces`);
    await pair(near, far, { ...ALL, take: false });
    expect((await failure(move(near, far))).message).toContain("far may not take workspaces from near");
    expect(await near.workspace()).toMatchObject({ owner: "here", state: "running" });
  });

  it("moves there and back over TLS", async () => {
    await pair(near, far);
    await pair(far, near);
    expect(await move(near, far)).toMatchObject({ verified: true, from: "near", to: "far" });
    expect(await far.workspace()).toMatchObject({ owner: "here", state: "running" });
    expect(await move(far, near)).toMatchObject({ verified: true, from: "far", to: "near" });
    expect(await near.workspace()).toMatchObject({ owner: "here", state: "running" });
    expect((await near.call("hosts", {})).hosts[0]?.lastSeenAt).not.toBeNull();
  });

  it("is between hosts of which the doctor of each says that they listen, and that their clocks agree", async () => {
    const { checks } = await near.call("doctor", {});
    expect(checks.find(({ name }) => name === "listening")).toMatchObject({ severity: "ok", found: expect.stringMatching(/^takes connections at 127/) as string });
    expect(checks.find(({ name }) => name === "host far")).toMatchObject({ severity: "ok", found: expect.stringMatching(/^answers in .* clocks agree$/) as string });
  });

  it("cannot be had by a third, which pairs them but is not paired by them", async () => {
    await pair(third, near);
    await pair(near, third);
    await near.call("unpair", { name: "third" });
    await third.call("create", { workspace: "bait", from: join(dir, "export"), verified: true });
    await third.call("start", { workspace: "bait" });
    const refused = await failure(third.call("migrate", { workspace: "bait", peer: "near", mode: "overlay", hold: true }));
    expect(refused.code).toBe("PEER");
    const { hosts, pending } = await near.call("hosts", {});
    expect(hosts.map(({ name }) => name)).toEqual(["far"]);
    expect(pending[0]?.id).toBe((await third.call("hosts", {})).id);
    expect((await failure(move(near, third))).code).toBe("NOT_FOUND");
    expect(await near.workspace()).toMatchObject({ owner: "here", state: "running" });
  });
});
