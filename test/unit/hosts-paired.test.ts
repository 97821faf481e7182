import { mkdtemp, rm } from "node:fs/promises";
import { Duplex } from "node:stream";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TLSSocket } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hostsText } from "../../cli/text/hosts.ts";
import { formatHostId } from "../../protocol/host-id.ts";
import { PairedHosts } from "../../service/peers/paired-hosts.ts";
import { PeerDirectory } from "../../service/peers/peer-directory.ts";
import { requireRight } from "../../service/peers/rights.ts";
import { Store } from "../../service/store/store.ts";
import { HOSTS } from "./cli-reports.ts";

const idOf = (seed: number): string => formatHostId(Buffer.alloc(32, seed));
const ALL = { push: true, take: true, workspaces: null };
const HOME = { id: idOf(1), address: "home.example:7411", name: "home", rights: ALL };

let dir: string;
let store: Store;
let hosts: PairedHosts;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-hosts-"));
  store = await Store.open(join(dir, "state"), "laptop");
  hosts = open();
});
afterEach(async () => {
  await store.close();
  await rm(dir, { recursive: true });
});

function open(claimed: readonly string[] = ["tunnel"]): PairedHosts {
  const identity = (): Promise<{ key: string; certificate: string; id: string }> =>
    Promise.resolve({ key: "", certificate: "", id: idOf(0) });
  return new PairedHosts({ table: store.pairings, hostName: "laptop", claimed: new Set(claimed), identity });
}

/** Where only the end of a connection matters. */
function connection(): TLSSocket {
  return new TLSSocket(new Duplex({ read: () => undefined }));
}

describe("paired hosts", () => {
  it("are kept, with what they may do, and changed by pairing again", async () => {
    await hosts.pair({ ...HOME, id: HOME.id.toLowerCase().replaceAll("-", "") });
    const rights = { push: false, take: true, workspaces: ["work"] };
    await hosts.pair({ ...HOME, address: "[fd00::2]:1", rights });
    const [home, ...others] = open().list();
    expect(others).toEqual([]);
    expect(home).toMatchObject({ name: "home", id: idOf(1), address: "[fd00::2]:1", rights, lastSeenAt: null });
    const directory = new PeerDirectory("laptop", store, hosts, new Map());
    directory.noteSeen("home");
    expect(hosts.get("home")?.lastSeenAt).not.toBeNull();
  });

  it.each([
    [{ id: idOf(0) }, "USAGE"],
    [{ name: "laptop" }, "USAGE"],
    [{ id: "home" }, "USAGE"],
    [{ address: "home" }, "USAGE"],
    [{ name: "tunnel" }, "CONFLICT"],
    [{ id: idOf(2) }, "CONFLICT"],
    [{ name: "other" }, "CONFLICT"],
  ])("are not made of %j", async (change, code) => {
    await hosts.pair(HOME);
    await expect(hosts.pair({ ...HOME, ...change })).rejects.toMatchObject({ code });
    expect(hosts.list()).toHaveLength(1);
  });

  it("cannot be known by a socket as well", async () => {
    await hosts.pair(HOME);
    expect(() => open(["home"])).toThrow(/--peer/);
  });

  it("are recognised by their certificate, and cut off when the trust ends", async () => {
    await hosts.pair(HOME);
    const open = connection();
    expect(hosts.recognise(HOME.id, open, "192.0.2.1:1")).toBe("home");
    hosts.unpair("home");
    expect(open.destroyed).toBe(true);
    expect(hosts.recognise(HOME.id, connection(), "192.0.2.1:2")).toBeNull();
    expect(() => hosts.unpair("home")).toThrow(/no host named home/);
  });

  it("have four connections each at most", async () => {
    await hosts.pair(HOME);
    const recognised = Array.from({ length: 6 }, () => hosts.recognise(HOME.id, connection(), "192.0.2.1:1"));
    expect(recognised).toEqual(["home", "home", "home", "home", null, null]);
    expect(hosts.pending()).toEqual([]);
  });

  it("are pending before, the newest ten, each once", async () => {
    for (let seed = 1; seed <= 12; seed++) hosts.recognise(idOf(seed), connection(), `192.0.2.1:${String(seed)}`);
    hosts.recognise(idOf(5), connection(), "192.0.2.1:99");
    const ids = [5, 12, 11, 10, 9, 8, 7, 6, 4, 3].map(idOf);
    expect(hosts.pending().map(({ id }) => id)).toEqual(ids);
    expect(hosts.pending()[0]?.address).toBe("192.0.2.1:99");
    await hosts.pair({ ...HOME, id: idOf(12) });
    expect(hosts.pending()).toHaveLength(9);
  });

  it("are shown with their IDs and rights, and strangers as well", () => {
    const text = hostsText(HOSTS, new Date("2026-01-02T03:05:05.000Z"));
    expect(text).toContain("laptop: this host; listens on 192.0.2.1:7411");
    expect(text).toContain("may only move workspaces here: work");
    expect(text).toContain(HOSTS.pending[0]?.id);
  });
});

describe("rights", () => {
  const about = { host: "laptop", peer: "home", workspace: "work" };

  it("allow what they say", () => {
    requireRight(ALL, "push", about);
    requireRight({ ...ALL, workspaces: ["work"] }, "take", about);
  });

  it.each([
    [{ ...ALL, push: false }, "push", /home may not move workspaces to laptop/],
    [{ ...ALL, take: false }, "take", /home may not take workspaces from laptop/],
    [{ ...ALL, workspaces: ["other"] as string[] }, "push", /work is not one of the workspaces/],
    [{ ...ALL, workspaces: [] as string[] }, "take", /work is not one of the workspaces/],
  ] as const)("%j refuse %s", (rights, right, message) => {
    expect(() => {
      requireRight(rights, right, about);
    }).toThrow(message);
  });

  it("are asked for paired hosts", async () => {
    await hosts.pair({ ...HOME, rights: { ...ALL, push: false } });
    const directory = new PeerDirectory("laptop", store, hosts, new Map());
    expect(() => {
      directory.requireRight("home", "push", "work");
    }).toThrow(/may not move/);
    expect(directory.list()).toEqual([{ name: "home", address: HOME.address }]);
    expect(directory.isClaimed("home")).toBe(false);
  });
});
