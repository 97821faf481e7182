import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duplexPair, PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { checkText } from "../../cli/commands/check.ts";
import { parsedRate, pushText } from "../../cli/commands/push.ts";
import { hostsText } from "../../cli/text/hosts.ts";
import { pushFileSchema, wrongFiles, type PushedFile } from "../../protocol/push.ts";
import { PeerLink } from "../../service/migration/peer-link.ts";
import { requireRoomToLand } from "../../service/migration/room.ts";
import { pushLevel } from "../../service/push/outgoing-push.ts";
import { maxSaid, Pace, patienceMs, relayRsync, StallWatch } from "../../service/push/rsync-relay.ts";
import { rsyncBlockBytes, senderArguments, serverArguments, type RsyncProcess } from "../../service/push/rsync-process.ts";
import { PeerDirectory } from "../../service/peers/peer-directory.ts";
import type { PairedHosts } from "../../service/peers/paired-hosts.ts";
import { Store } from "../../service/store/store.ts";
import { HOSTS } from "./cli-reports.ts";
import { machine, manifest, rootOf } from "./store-fixtures.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const FILES: PushedFile[] = [
  { name: "device", bytes: 6, allocated: 6 },
  { name: "ram", bytes: machine.memoryBytes, allocated: 4096 },
  { name: "layer-0", bytes: 400_000, allocated: 400_000 },
  { name: "layer-1", bytes: 500_000, allocated: 500_000 },
];
const R = rootOf("a");

describe("the files of a generation", () => {
  it("are those, in any order", () => {
    expect(wrongFiles(manifest(R), FILES)).toBeNull();
    expect(wrongFiles(manifest(R), [...FILES].reverse())).toBeNull();
  });

  it.each<[string, PushedFile[]]>([
    ["one is missing", FILES.slice(1)],
    ["no layer", FILES.slice(0, 2)],
    ["a layer left out", FILES.map((file) => (file.name === "layer-1" ? { ...file, name: "layer-2" } : file))],
    ["one twice", [...FILES, { name: "layer-1", bytes: 1, allocated: 1 }]],
    ["one that the machine has not", [...FILES, { name: "kernel", bytes: 1, allocated: 1 }]],
    ["memory of another size", FILES.map((file) => (file.name === "ram" ? { ...file, bytes: 4096 } : file))],
    ["a layer that no disk of this size has", FILES.map((file) => (file.name === "layer-0" ? { ...file, bytes: 1e9 } : file))],
    ["holes of a negative size", FILES.map((file) => (file.name === "device" ? { ...file, allocated: 1e9 } : file))],
  ])("are not: %s", (_what, files) => {
    expect(wrongFiles(manifest(R), files)).not.toBeNull();
  });

  it.each(["../ram", "ram/", "/ram", "layer-64", "layer-01", "layer--1", "generation.json", "ram\n", ""])("have no name %j", (name) => {
    expect(pushFileSchema.safeParse(name).success).toBe(false);
  });
});

describe("rsync", () => {
  it("gets no argument that could be taken for an option, and nothing of a shell", () => {
    const args = senderArguments("/state/-e;id", "ram", 3);
    expect(args.slice(-3)).toEqual(["--", "/state/-e;id", "peer:ram"]);
    expect(args).toContain("--compress-choice=zstd");
    expect(senderArguments("/x", "ram", null).join(" ")).not.toContain("compress");
  });

  it.each([[null, 3], [Infinity, null], [2e8, 3], [5e7, 6], [1e6, 12]])("compresses as the link warrants: %s bit/s", (rate, level) => {
    expect(pushLevel(rate)).toBe(level);
  });

  it.each([[0, 4096], [8 * GIB, 4096], [8 * GIB + 1, 8192], [100 * GIB, 65_536], [1e15, 131_072]])("compares a file of %d bytes by blocks of %d", (bytes, block) => {
    expect(rsyncBlockBytes(bytes)).toBe(block);
    expect(serverArguments("ram", bytes, true)).toContain(`-B${block}`);
  });

  it("may say about as much as there is in the file", () => {
    expect(maxSaid(0)).toBeLessThan(8 * MIB);
    expect(maxSaid(1e12)).toBeLessThan(1.2e12);
  });

  it("is held back to a rate, and a stop ends the wait", async () => {
    const pace = new Pace(1e6);
    const stop = new AbortController();
    const begun = performance.now();
    await pace.turn(100_000, stop.signal);
    await pace.turn(100_000, stop.signal);
    await pace.turn(1e9, stop.signal);
    expect(performance.now() - begun).toBeGreaterThan(190);
    const waiting = pace.turn(1, stop.signal);
    stop.abort(new Error("stopped"));
    await expect(waiting).rejects.toThrow();
  });
});

describe("two rsyncs that misunderstand each other", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("are ended, though they keep each other alive, and nothing of them is left", async () => {
    const [here, there] = duplexPair();
    const [link, other] = await Promise.all([PeerLink.open(here, { host: "near" }), PeerLink.open(there, { host: "far" })]);
    const output = new PassThrough();
    const alive = setInterval(() => output.write("alive"), 10);
    let killed = 0;
    const kill = (): void => {
      killed++;
      clearInterval(alive);
      output.destroy();
    };
    const rsync: RsyncProcess = { pid: 0, input: new PassThrough(), output, finished: new Promise(() => undefined), kill };
    const relayed = relayRsync(link, rsync, { fileBytes: 1e6, signal: link.signal, stallMs: 100 });
    await expect(relayed).rejects.toMatchObject({ code: "TIMEOUT", message: expect.stringContaining("far") as string });
    expect(killed).toBeGreaterThan(0);
    void other.close();
    await link.close();
  });

  it("are told from those that have something to say, and from those that read a long file", () => {
    vi.useFakeTimers();
    const watch = new StallWatch("far", patienceMs(0));
    for (let i = 0; i < 10; i++) {
      watch.note(5000);
      vi.advanceTimersByTime(patienceMs(0));
    }
    expect(watch.signal.aborted).toBe(false);
    watch.note(4000);
    vi.advanceTimersByTime(patienceMs(0));
    expect(watch.signal.reason).toMatchObject({ code: "TIMEOUT" });
    watch.end();
    expect(vi.getTimerCount()).toBe(0);
    // 100 GiB from a disk of 20 MB/s.
    expect(patienceMs(100 * GIB)).toBeGreaterThan((100 * GIB) / 20_000);
  });
});

describe("room for a generation", () => {
  const ask = { workspace: "desk", overlay_bytes: 1000 * MIB };
  it("is what has not landed yet, hashes, and some to spare", () => {
    expect(() => { requireRoomToLand(ask, "far", { disk: 1000 * MIB, memory: 0 }, 0); }).toThrow(/too little disk space/);
    expect(() => { requireRoomToLand(ask, "far", { disk: 1100 * MIB, memory: 0 }, 0); }).not.toThrow();
    expect(() => { requireRoomToLand(ask, "far", { disk: 200 * MIB, memory: 0 }, 900 * MIB); }).not.toThrow();
  });
});

describe("what is known of pushes", () => {
  let dir: string;
  let store: Store;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "hw-pushes-"));
    store = await Store.open(join(dir, "state"), "far");
  });
  afterEach(async () => {
    await store.close();
    await rm(dir, { recursive: true });
  });

  it("is what landed of the very same files from the same host, and nothing else", () => {
    const push = { workspace: "desk", peer: "near", manifest: manifest(R), files: FILES };
    expect(store.pushes.begin(push).landed).toEqual([]);
    store.pushes.noteLanded("desk", ["device", "ram"]);
    expect(store.pushes.begin(push).landed).toEqual(["device", "ram"]);
    expect(store.pushes.list()).toMatchObject([{ ...push, landed: ["device", "ram"] }]);
    expect(store.pushes.begin({ ...push, peer: "third" }).landed).toEqual([]);
    store.pushes.noteLanded("desk", ["device"]);
    expect(store.pushes.begin({ ...push, peer: "third", manifest: manifest(rootOf("b")) }).landed).toEqual([]);
    store.pushes.noteLanded("desk", ["device"]);
    expect(store.pushes.begin({ ...push, files: FILES.slice(0, 3) }).landed).toEqual([]);
    store.pushes.delete("desk");
    expect(store.pushes.list()).toEqual([]);
  });

  it("is what other hosts hold, until they say otherwise", () => {
    const held = { workspace: "desk", root: R, bytes: 5, createdAt: "2026-01-01T00:00:00.000Z" };
    store.holdings.note("home", held);
    store.holdings.note("home", { ...held, bytes: 6 });
    store.holdings.note("away", held);
    expect(store.holdings.list()).toMatchObject([{ host: "away", bytes: 5 }, { host: "home", bytes: 6 }]);
    store.holdings.replace("home", [{ ...held, root: rootOf("b") }]);
    expect(store.holdings.list().map(({ host, root }) => [host, root])).toEqual([["away", R], ["home", rootOf("b")]]);
  });

  it("is told only to hosts that share the workspace", () => {
    const rights = new Map<string, { push: boolean; take: boolean; workspaces: string[] | null }>([
      ["all", { push: true, take: false, workspaces: null }],
      ["some", { push: false, take: true, workspaces: ["desk"] }],
      ["none", { push: false, take: false, workspaces: null }],
    ]);
    const paired = { get: (name: string) => (rights.has(name) ? { rights: rights.get(name) } : null) } as unknown as PairedHosts;
    const directory = new PeerDirectory("far", store, paired, new Map([["socket", "/x"]]));
    const shared = (name: string): boolean[] => [directory.shares(name, "desk"), directory.shares(name, "other")];
    expect(shared("all")).toEqual([true, true]);
    expect(shared("some")).toEqual([true, false]);
    expect(shared("none")).toEqual([false, false]);
    expect(shared("socket")).toEqual([true, true]);
    expect(shared("stranger")).toEqual([false, false]);
  });
});

describe("on the command line", () => {
  it.each([["2M", 2e6], ["500k", 5e5], ["1.5M", 1.5e6], ["4096", 4096], ["1G", 1e9]])("%s is a rate", (text, rate) => {
    expect(parsedRate(text)).toBe(rate);
  });

  it.each(["", "0", "100", "2MB", "-1M", "1e9", "fast", "99999999999G"])("%j is none", (text) => {
    expect(() => parsedRate(text)).toThrow(/500k/);
  });

  it("a push, a check and the hosts are told in words", () => {
    const result = { workspace: "work", peer: "home", root: R, held: false, bytes: 612e6, landedBytes: 100e6, linkBytes: 201e6, seconds: 402 };
    expect(pushText(result)).toBe(
      "home holds the generation of work now: 612 MB, 100 MB of it were there already; 201 MB were sent in 6 min 42 s.",
    );
    expect(pushText({ ...result, held: true })).toContain("already");
    const missing = [{ code: "NO_ROOM" as const, message: "no room", hint: "Free 5 MB." }, { code: "CONFLICT" as const, message: "no", hint: null }];
    expect(checkText({ workspace: "work", peer: "home", missing }, "push")).toBe(
      "home could not hold a generation of work:\n  no room\n    Free 5 MB.\n  no",
    );
    expect(checkText({ workspace: "work", peer: "home", missing: [] }, "migrate")).toContain("nothing is missing");
    const text = hostsText({ ...HOSTS, rooms: [{ host: "home", diskBytes: 12e9, memoryBytes: 3.4e9, clock: null }], silent: ["third"] }, new Date("2026-01-02T03:05:05.000Z"));
    expect(text).toContain("holds work aaaaaaaaaaaa, made 24 hours ago, 612 MB; known 1 minute ago");
    expect(text).toContain("has 12.0 GB of disk and 3.40 GB of memory free");
    expect(text).toContain("No answer from third.");
  });
});
