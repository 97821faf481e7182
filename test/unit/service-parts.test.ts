import { chmod, mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Activity } from "../../service/context.ts";
import { openLog } from "../../service/log.ts";
import { PairedHosts } from "../../service/peers/paired-hosts.ts";
import { PeerDirectory } from "../../service/peers/peer-directory.ts";
import { PeerListener } from "../../service/peers/peer-listener.ts";
import { RunDirs } from "../../service/run-dirs.ts";
import { addBlob } from "../../service/store/blobs.ts";
import { StatePaths } from "../../service/store/paths.ts";
import { Store } from "../../service/store/store.ts";
import { requireCompatible } from "../../service/workspaces/compatibility.ts";
import { machineForGuest, readBounded, readGuestFolder } from "../../service/workspaces/guest-folder.ts";
import { readGenerationFolder } from "../../service/workspaces/generation-folder.ts";
import { generationRoot } from "../../syncer/generation-root.ts";
import { machine, manifest, rootOf } from "./store-fixtures.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-parts-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

describe("run folders", () => {
  const paths = new StatePaths("/somewhere");

  it("are private, and RAM is put where it fits", async () => {
    const runDirs = await RunDirs.open(paths, { runParent: dir, tmpfs: "/dev/shm" });
    const { dir: run, consoleSocket } = await runDirs.create("ab");
    expect((await stat(run)).mode & 0o777).toBe(0o700);
    expect(consoleSocket).toBe(join(run, "console.sock"));
    const small = await runDirs.placeRam("ab", 4096, join(dir, "ram"));
    expect(small.place).toBe("tmpfs");
    expect(runDirs.placeOf(small.path)).toBe("tmpfs");
    const huge = await runDirs.placeRam("ab", 2 ** 50, join(dir, "ram"));
    expect(huge).toEqual({ path: join(dir, "ram"), place: "disk" });
    expect(runDirs.placeOf(huge.path)).toBe("disk");
    await mkdir(join(small.path, "..", "..", "only-memory"));
    expect((await runDirs.list()).sort()).toEqual(["ab", "only-memory"]);
    await writeFile(small.path, Buffer.alloc(1_000_000, 1));
    expect(await runDirs.bytes("ab")).toBeGreaterThanOrEqual(1_000_000);
    await runDirs.remove("only-memory");
    await runDirs.remove("ab");
    await expect(stat(run)).rejects.toMatchObject({ code: "ENOENT" });
    await runDirs.close();
    await expect(stat(join(dir, paths.runName))).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("work without tmpfs, and stay while they are needed", async () => {
    const runDirs = await RunDirs.open(paths, { runParent: dir, tmpfs: null });
    expect((await runDirs.placeRam("ab", 4096, "/f")).place).toBe("disk");
    const { dir: run } = await runDirs.scratch();
    await runDirs.close();
    expect((await stat(run)).isDirectory()).toBe(true);
  });

  it("are refused where others could put something in, or with a path too long for sockets", async () => {
    await mkdir(join(dir, paths.runName));
    await chmod(join(dir, paths.runName), 0o777);
    await expect(RunDirs.open(paths, { runParent: dir, tmpfs: null })).rejects.toMatchObject({ code: "ENVIRONMENT" });
    const long = join(dir, "x".repeat(70));
    await expect(RunDirs.open(paths, { runParent: long, tmpfs: null })).rejects.toMatchObject({ code: "ENVIRONMENT" });
  });
});

describe("compatibility", () => {
  const host = { accelerator: "tcg", qemuVersion: "7.2", uefi: false } as const;

  it("is asked of version, accelerator and firmware", () => {
    requireCompatible("w", machine, host);
    requireCompatible("w", machine, { ...host, accelerator: "kvm" });
    expect(() => {
      requireCompatible("w", machine, { ...host, qemuVersion: "8.2" });
    }).toThrow("QEMU 7.2; this computer has 8.2");
    expect(() => {
      requireCompatible("w", { ...machine, accelerator: "kvm" }, host);
    }).toThrow("KVM");
    const uefi = { ...machine, firmware: "uefi" } as const;
    requireCompatible("w", uefi, { ...host, uefi: true });
    expect(() => {
      requireCompatible("w", uefi, host);
    }).toThrow("UEFI firmware, which is missing");
  });
});

describe("a guest folder", () => {
  const guest = {
    name: "tiny",
    format: 1,
    memoryMiB: 64,
    cpus: 1,
    kernel: "kernel",
    initrd: null,
    append: "quiet",
    disk: { file: "disk.qcow2", bytes: 1024 * 1024 },
    display: { width: 640, height: 480 },
  };
  const write = (content: unknown): Promise<void> => writeFile(join(dir, "guest.json"), JSON.stringify(content));

  it("becomes a machine, its files stored by their content", async () => {
    await write(guest);
    await writeFile(join(dir, "kernel"), "a kernel");
    const store = await Store.open(join(dir, "state"), "alpha");
    const host = { accelerator: "tcg", qemuVersion: "7.2" } as const;
    const made = await machineForGuest(store, await readGuestFolder(dir), host);
    expect(made).toMatchObject({ machineType: "pc-i440fx-7.2", memoryBytes: 64 * 1024 * 1024, initrd: null });
    expect(made.mac).toMatch(/^52:54:00(:[0-9a-f]{2}){3}$/);
    const blob = store.paths.blob(made.kernel?.sha256 ?? "");
    expect(await readFile(blob, "utf8")).toBe("a kernel");
    expect((await stat(blob)).mode & 0o777).toBe(0o400);
    const wrong = { sha256: rootOf("0"), bytes: 8 };
    await expect(addBlob(store.paths, join(dir, "kernel"), wrong)).rejects.toMatchObject({ code: "DAMAGED" });
    await store.close();
  });

  it.each([
    ["a file elsewhere", { ...guest, disk: { ...guest.disk, file: "../../etc/passwd" } }],
    ["an absolute file", { ...guest, kernel: "/etc/passwd" }],
    ["another format", { ...guest, format: 2 }],
    ["no object", []],
  ])("is refused with %s", async (_what, content) => {
    await write(content);
    await expect(readGuestFolder(dir)).rejects.toMatchObject({ code: "DAMAGED" });
  });

  it("is read only up to a bound", async () => {
    const path = join(dir, "large");
    await writeFile(path, "x");
    await truncate(path, 1001);
    await expect(readBounded(path, 1000)).rejects.toMatchObject({ code: "DAMAGED" });
    await truncate(path, 1000);
    expect(await readBounded(path, 1000)).toHaveLength(1000);
  });
});

describe("an exported generation's folder", () => {
  it("is believed only if its root follows from its parts", async () => {
    const content = manifest(rootOf("a"));
    const write = (value: unknown): Promise<void> => writeFile(join(dir, "generation.json"), JSON.stringify(value));
    await write({ ...content, root: generationRoot(content) });
    expect((await readGenerationFolder(dir)).root).toBe(generationRoot(content));
    await write(content);
    await expect(readGenerationFolder(dir)).rejects.toMatchObject({ code: "DAMAGED" });
    await write({ ...content, extra: 1 });
    await expect(readGenerationFolder(dir)).rejects.toMatchObject({ code: "DAMAGED" });
    await rm(join(dir, "generation.json"));
    await expect(readGenerationFolder(dir)).rejects.toMatchObject({ code: "ENOENT" });
  });
});

function noPairs({ pairings: table }: Store): PairedHosts {
  const identity = (): Promise<never> => Promise.reject(new Error("none is needed"));
  return new PairedHosts({ table, hostName: "alpha", claimed: new Set(["beta"]), identity });
}

describe("peers", () => {
  it("are reached by name, or not", async () => {
    const store = await Store.open(join(dir, "state"), "alpha");
    const socket = join(dir, "beta.sock");
    const directory = new PeerDirectory("alpha", store, noPairs(store), new Map([["beta", socket]]));
    expect(directory.list()).toEqual([{ name: "beta", address: socket }]);
    await expect(directory.connect("gamma")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(directory.connect("beta")).rejects.toMatchObject({ code: "PEER" });
    const listener = await PeerListener.listen(socket, (stream) => stream.end("hello"));
    expect((await stat(socket)).mode & 0o777).toBe(0o600);
    const stream = await directory.connect("beta");
    const text: string[] = [];
    for await (const chunk of stream as AsyncIterable<Buffer>) text.push(chunk.toString());
    expect(text.join("")).toBe("hello");
    expect(store.peers()[0]?.lastSeenAt).not.toBeNull();
    await expect(directory.connect("beta", AbortSignal.abort())).rejects.toMatchObject({ code: "CANCELLED" });
    await listener.close();
    await store.close();
  });

  it("are listened for on a free path, or where a dead service did", async () => {
    const path = join(dir, "s");
    await writeFile(path, "a file");
    await expect(PeerListener.listen(path, () => undefined)).rejects.toMatchObject({ code: "CONFLICT" });
    await rm(path);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(path, resolve));
    await expect(PeerListener.listen(path, () => undefined)).rejects.toMatchObject({ code: "CONFLICT" });
    other.close();
  });
});

describe("small things", () => {
  it("activity shows the newest update of each workspace until it is over", () => {
    const activity = new Activity();
    const seen: number[] = [];
    const progress = activity.watch("w", { update: ({ done }) => seen.push(done) });
    progress.update({ phase: "a", done: 1, unit: "steps" });
    progress.update({ phase: "a", done: 2, unit: "steps" });
    expect(activity.get("w")?.done).toBe(2);
    expect(activity.get("v")).toBeNull();
    activity.clear("w");
    expect(activity.get("w")).toBeNull();
    expect(seen).toEqual([1, 2]);
  });

  it("the log is private, and put aside when it has grown", async () => {
    const path = join(dir, "service.log");
    (await openLog(path, "alpha")).info("first");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await truncate(path, 9 * 1024 * 1024);
    (await openLog(path, "alpha")).info("second");
    expect(await readFile(path, "utf8")).toContain("second");
    expect((await stat(`${path}.1`)).size).toBe(9 * 1024 * 1024);
  });
});
