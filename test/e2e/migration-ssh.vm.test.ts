import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, failure, makeTiny, removeRunFolders, sealAtPrompt, stillPicture, TestHost, type, WORKSPACE } from "./migration-hosts.ts";
import { Sshd, type Login } from "./sshd.ts";

/** Two paired hosts that reach each other by ssh only: neither listens on the network. */
let dir: string;
let sshd: Sshd;
let near: TestHost;
let far: TestHost;

const ALL = { push: true, take: true, workspaces: null };

async function pair(on: TestHost, other: TestHost, { address }: Login): Promise<void> {
  const { id, listen } = await other.call("hosts", {});
  expect(listen).toBeNull();
  await on.call("pair", { id, address, name: other.name, rights: ALL });
}

/** Process ids of ssh that the service of `host` has started. */
async function sshOf(host: TestHost): Promise<number[]> {
  const tasks = await readdir(`/proc/${String(host.pid)}/task`);
  const lists = await Promise.all(tasks.map((task) => readFile(`/proc/${String(host.pid)}/task/${task}/children`, "utf8")));
  const found: number[] = [];
  for (const pid of lists.flatMap((list) => list.trim().split(" ")))
    if (pid !== "" && (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).trim() === "ssh") found.push(Number(pid));
  return found;
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-ssh-"));
  sshd = await Sshd.start(dir);
  const toFar = await sshd.addLogin("to-far", { state: join(dir, "far") });
  const toNear = await sshd.addLogin("to-near", { state: join(dir, "near") });
  near = new TestHost(dir, "near", { sshConfig: toFar.config });
  far = new TestHost(dir, "far", { sshConfig: toNear.config });
  await Promise.all([near.start(), far.start()]);
  await makeTiny(near);
  const copy = join(dir, "export");
  await sealAtPrompt(near, copy);
  await far.call("create", { workspace: WORKSPACE, from: copy, owner: "near", verified: true });
  await pair(near, far, toFar);
  await pair(far, near, toNear);
  // So that a replay takes a while.
  const worked = await near.console();
  for (let line = 1; line <= 4; line++) {
    await type(worked, `seq ${String(line)} 3000 | sort | tail -n 2\n`);
    await stillPicture(worked, 1500);
  }
  worked.close();
});
afterAll(async () => {
  await Promise.allSettled([near.end(), far.end()]);
  await sshd.end();
  for (const { state } of [near, far]) await removeRunFolders(state);
  await rm(dir, { recursive: true, force: true });
});

describe("a workspace between hosts that reach each other by ssh", () => {
  it("goes on where it was when ssh is killed in the middle", async () => {
    let killed = false;
    const kill = async (): Promise<void> => {
      const found = await sshOf(near);
      expect(found).not.toEqual([]);
      for (const pid of found) process.kill(pid, "SIGKILL");
      killed = true;
    };
    const cut = near.call(
      "migrate",
      { workspace: WORKSPACE, peer: "far", mode: "replay", hold: false },
      {
        onProgress: ({ phase }) => {
          if (!killed && phase === "replay") void kill();
        },
      },
    );
    expect((await failure(cut)).code).toBe("PEER");
    expect(killed).toBe(true);
    expect(await near.workspace()).toMatchObject({ owner: "here", state: "running" });
    expect(await far.workspace()).toMatchObject({ owner: "near" });
  });

  it("moves there and back", async () => {
    const move = (from: TestHost, to: TestHost): Promise<unknown> =>
      from.call("migrate", { workspace: WORKSPACE, peer: to.name, mode: "replay", hold: false });
    expect(await move(near, far)).toMatchObject({ verified: true, from: "near", to: "far" });
    expect(await far.workspace()).toMatchObject({ owner: "here", state: "running" });
    expect(await move(far, near)).toMatchObject({ verified: true, from: "far", to: "near" });
    expect(await near.workspace()).toMatchObject({ owner: "here", state: "running" });
    // The last one ends when it has handed over what was said.
    for (const host of [near, far]) await eventually("ssh has ended", async () => (await sshOf(host)).length === 0);
  });
});
