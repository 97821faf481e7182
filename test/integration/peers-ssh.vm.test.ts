import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PairedHost } from "../../protocol/control.ts";
import { PeerLink } from "../../service/migration/peer-link.ts";
import { openIdentity, type Identity } from "../../service/peers/identity.ts";
import { dialSsh } from "../../service/peers/ssh.ts";
import { eventually, failure, removeRunFolders, TestHost } from "../e2e/migration-hosts.ts";
import { Sshd, type Login } from "../e2e/sshd.ts";

/** A real service behind a real sshd, and this test as the other host; no virtual machine is needed. */
let dir: string;
let sshd: Sshd;
let host: TestHost;
let mine: Identity;
let id: string;
let login: Login;

const ALL = { push: true, take: true, workspaces: null };

function far(address: string, change: Partial<PairedHost> = {}): PairedHost {
  return { name: "far", id, address, rights: ALL, pairedAt: new Date().toISOString(), lastSeenAt: null, ...change };
}

async function dial({ address, config }: Login, change: Partial<PairedHost> = {}, identity = mine): Promise<PeerLink> {
  return PeerLink.open(await dialSsh(identity, far(address, change), { config }), { host: "near" });
}

/** Programs of that name which this process has started and which run. */
async function running(name: string): Promise<number> {
  const lists = await Promise.all(
    (await readdir("/proc/self/task")).map((task) => readFile(`/proc/self/task/${task}/children`, "utf8")),
  );
  const names = lists.flatMap((list) => list.split(" ").filter((pid) => pid !== "")).map((pid) => readFile(`/proc/${pid}/comm`, "utf8").catch(() => ""));
  return (await Promise.all(names)).filter((each) => each.trim() === name).length;
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-ssh-"));
  [sshd, mine] = await Promise.all([Sshd.start(dir), openIdentity(join(dir, "mine.pem"))]);
  // It listens nowhere but on the socket that every service has.
  host = new TestHost(dir, "far", { sshConfig: "/nonexistent" });
  await host.start();
  id = (await host.call("hosts", {})).id;
  login = await sshd.addLogin("near", { state: host.state });
});
afterAll(async () => {
  await host.end();
  await sshd.end();
  await removeRunFolders(host.state);
  await rm(dir, { recursive: true, force: true });
});

describe("a host behind ssh", () => {
  it("sends away whom it is not paired with, whatever ssh thinks of them", async () => {
    await expect(dial(login)).rejects.toMatchObject({ code: "PEER" });
    expect((await host.call("hosts", {})).pending).toMatchObject([{ id: mine.id, address: "ssh" }]);
  });

  it("is talked to once they are paired, until it unpairs", async () => {
    await host.call("pair", { id: mine.id, address: "ssh://near.example", name: "near", rights: ALL });
    const link = await dial(login);
    expect(link.peer).toBe("far");
    expect(await link.ping()).toBeGreaterThan(0);
    expect(await running("ssh")).toBe(1);
    const gone = new Promise((resolve) => {
      link.signal.addEventListener("abort", resolve, { once: true });
    });
    await host.call("unpair", { name: "near" });
    await gone;
    await link.close();
    await eventually("ssh is gone", async () => (await running("ssh")) === 0);
  });

  it("has to have the certificate that it was paired with", async () => {
    const refused = await failure(dial(login, { id: mine.id }));
    expect(refused.message).toContain("is not far: its certificate is another one");
    expect(await running("ssh")).toBe(0);
  });

  it.each<[string, () => Promise<Login>, RegExp]>([
    ["a host key that nobody has looked at", () => sshd.login("near", null), /not known here/],
    [
      "another host key than before",
      async () => sshd.login("near", (await readFile(join(dir, "sshd", "near.pub"), "utf8")).trim()),
      /another ssh host key/,
    ],
    ["a login that does not let this host in", () => sshd.login("nobody", sshd.hostKey), /does not let this host log in/],
    ["no sshd", () => Promise.resolve({ ...login, address: "ssh://127.0.0.1:1" }), /cannot be reached with ssh/],
    ["no name", () => Promise.resolve({ ...login, address: "ssh://host.invalid" }), /cannot be reached with ssh/],
    ["no homeward", () => sshd.addLogin("without", { command: "/nonexistent/homeward" }), /there is no homeward on far/],
    ["no service", () => sshd.addLogin("idle", { state: join(dir, "nothing") }), /no Homeward service is running/],
    ["another program", () => sshd.addLogin("chatty", { command: "echo hello" }), /through ssh|cannot be reached/],
  ])("with %s is said to have it", async (_, make, message) => {
    const found = await failure(dial(await make()));
    expect(found.message).toMatch(message);
    expect(found).toMatchObject({ code: "PEER" });
    expect(found.hint).not.toBe("");
    expect(await running("ssh")).toBe(0);
  });

  it("is left alone when the attempt is stopped", async () => {
    const stop = new AbortController();
    const silent = await sshd.addLogin("silent", { command: "sleep 60" });
    const attempt = failure(dialSsh(mine, far(silent.address), { config: silent.config, signal: stop.signal }).then(() => undefined));
    await eventually("ssh runs", async () => (await running("ssh")) === 1);
    stop.abort();
    expect((await attempt).code).toBe("CANCELLED");
    expect(await running("ssh")).toBe(0);
  });
});
