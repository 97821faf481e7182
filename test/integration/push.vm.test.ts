import { mkdtemp, open, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { growGeneration, makeGeneration } from "../../bench/exchange/synthetic-generation.ts";
import type { PushResult } from "../../protocol/control.ts";
import { generationManifestSchema, type GenerationManifest } from "../../protocol/generation.ts";
import { EXPORT_FILES, StatePaths } from "../../service/store/paths.ts";
import { bytesOnDisk } from "../../service/store/disk-use.ts";
import { HashPool } from "../../syncer/hash-pool.ts";
import { failure, removeRunFolders, TestHost, WORKSPACE } from "../e2e/migration-hosts.ts";
import { TcpRelay } from "../e2e/tcp-relay.ts";

/** Two paired hosts without a machine that runs: a generation lies on one and is laid down on the other. */
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const MACHINE = { memoryBytes: 128 * MIB, touchedBytes: 16 * MIB, diskBytes: 100 * GIB, writtenDiskBytes: 8 * MIB, random: true };
/** All that is not zeroes: 1 MiB of device state, memory, disk. None of it can be compressed. */
const CONTENT_BYTES = 25 * MIB;
const ALL = { push: true, take: true, workspaces: null };

let dir: string;
let near: TestHost;
let far: TestHost;
let relay: TcpRelay;
let pool: HashPool;
let first: GenerationManifest;

async function pair(on: TestHost, other: TestHost, address: string | null, rights: typeof ALL | { push: boolean; take: boolean; workspaces: string[] } = ALL): Promise<void> {
  const { id, listen } = await other.call("hosts", {});
  await on.call("pair", { id, address: address ?? String(listen), name: other.name, rights });
}

/** With a limit that no test waits for, so that zeroes are compressed however fast this computer is. */
const push = (options: { signal?: AbortSignal } = {}): Promise<PushResult> =>
  near.call("push", { workspace: WORKSPACE, peer: "far", bytesPerSecond: 100 * MIB }, options);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-push-"));
  pool = HashPool.create();
  near = new TestHost(dir, "near", "paired");
  far = new TestHost(dir, "far", "paired");
  await Promise.all([near.start(), far.start()]);
  relay = await TcpRelay.to(String((await far.call("hosts", {})).listen));
  await pair(near, far, relay.address);
  await pair(far, near, null);
  first = await makeGeneration(join(dir, "first"), MACHINE, "7.2", pool);
  await near.call("create", { workspace: WORKSPACE, from: join(dir, "first"), verified: true });
});
afterAll(async () => {
  await Promise.allSettled([near.end(), far.end(), relay.close(), pool.close()]);
  for (const { state } of [near, far]) await removeRunFolders(state);
  await rm(dir, { recursive: true, force: true });
});

describe("a push", () => {
  it("that may not be is refused before anything is sent, and says so when it is only asked", async () => {
    await pair(far, near, null, { ...ALL, push: false });
    expect((await failure(push())).message).toContain("near may not move workspaces to far");
    const { missing } = await near.call("check", { workspace: WORKSPACE, peer: "far", purpose: "push" });
    expect(missing.map(({ code }) => code)).toEqual(["CONFLICT"]);
    await pair(far, near, null);
    expect((await near.call("check", { workspace: WORKSPACE, peer: "far", purpose: "push" })).missing).toEqual([]);
    const { missing: toMigrate } = await near.call("check", { workspace: WORKSPACE, peer: "far", purpose: "migration" });
    expect(toMigrate.map(({ code, hint }) => [code, hint])).toEqual([
      ["NOT_FOUND", "On near: homeward push desk far"],
      ["NOT_FOUND", "On near: homeward push desk far"],
    ]);
    expect(await readdir(new StatePaths(far.state).incoming)).toEqual([]);
  });

  it("goes on after cuts, stops and a killed host, and sends little twice", async () => {
    relay.bytes = 0;
    relay.cutAt = 4 * MIB;
    expect((await failure(push())).hint).toContain("homeward push desk far");
    relay.cutAt = relay.bytes + 6 * MIB;
    expect((await failure(push())).code).toBe("PEER");
    const stop = new AbortController();
    const stuck = relay.stuckAt(relay.bytes + 6 * MIB);
    const stopped = failure(push({ signal: stop.signal }));
    await stuck;
    stop.abort();
    expect((await stopped).code).toBe("CANCELLED");
    await far.restart();
    // Another port now.
    await relay.close();
    const sent = relay.bytes;
    relay = await TcpRelay.to(String((await far.call("hosts", {})).listen));
    await pair(near, far, relay.address);
    const result = await push();
    expect(result).toMatchObject({ held: false, root: first.root });
    // What a cut loses is in pipes and buffers.
    expect(result.landedBytes).toBeGreaterThan(8 * MIB);
    expect(sent + relay.bytes).toBeLessThan(CONTENT_BYTES + 7 * MIB);
    expect(await far.workspace()).toMatchObject({ owner: "near", state: "away", base: first.root });
  });

  it("leaves holes where there were holes, and nothing of the way it came", async () => {
    const paths = new StatePaths(far.state);
    const { ram } = paths.generation(first.root);
    expect((await stat(ram)).size).toBe(MACHINE.memoryBytes);
    expect(await bytesOnDisk(ram)).toBeLessThan(17 * MIB);
    expect(await bytesOnDisk(paths.layers)).toBeLessThan(10 * MIB);
    expect(await readdir(paths.incoming)).toEqual([]);
    expect((await near.call("hosts", {})).holdings).toMatchObject([{ host: "far", workspace: WORKSPACE, root: first.root }]);
    expect((await far.call("hosts", { ask: true })).holdings).toMatchObject([{ host: "near", root: first.root }]);
  });

  it("of what the other host holds sends nothing", async () => {
    relay.bytes = 0;
    expect(await push()).toMatchObject({ held: true });
    expect(relay.bytes).toBeLessThan(32 * 1024);
    expect((await near.call("check", { workspace: WORKSPACE, peer: "far", purpose: "migration", hold: true })).missing).toEqual([]);
  });

  it("of a later generation sends what differs", async () => {
    const changes = { zeroed: 20, moved: 20, patched: 100, fresh: 100 };
    const base = { dir: join(dir, "first"), manifest: first };
    const second = await growGeneration(join(dir, "second"), base, MACHINE, changes, pool);
    await near.call("delete", { workspace: WORKSPACE });
    await near.call("create", { workspace: WORKSPACE, from: join(dir, "second"), verified: true });
    relay.bytes = 0;
    expect(await push()).toMatchObject({ held: false, root: second.root });
    // 1 MiB of device state, 0.8 MiB of blocks (4 KiB each) that are patched or fresh, 0.25 MiB of sums of all blocks.
    expect(relay.bytes).toBeLessThan(2.75 * MIB);
    expect((await far.workspace()).base).toBe(second.root);
  });

  /** `name`, grown from `from`, becomes the workspace's base here, which keeps both. */
  const grow = async (name: string, from: string): Promise<GenerationManifest> => {
    const manifest = generationManifestSchema.parse(JSON.parse(await readFile(join(dir, from, EXPORT_FILES.manifest), "utf8")));
    const changes = { zeroed: 20, moved: 20, patched: 100, fresh: 100 };
    const grown = await growGeneration(join(dir, name), { dir: join(dir, from), manifest }, MACHINE, changes, pool);
    await near.call("create", { workspace: `kept-${from}`, from: join(dir, from), verified: true });
    await near.call("delete", { workspace: WORKSPACE });
    await near.call("create", { workspace: WORKSPACE, from: join(dir, name), verified: true });
    return grown;
  };
  const quickly = (options: { signal?: AbortSignal } = {}): Promise<PushResult> => near.call("push", { workspace: WORKSPACE, peer: "far" }, options);

  it("of one that grew from what both hold costs what an overlay costs, and nothing when it is cut", async () => {
    const third = await grow("third", "second");
    const before = await far.workspace();
    relay.bytes = 0;
    relay.cutAt = MIB;
    expect((await failure(quickly())).code).toBe("PEER");
    expect(await far.workspace()).toMatchObject({ base: before.base, owner: "near", state: "away" });
    relay.bytes = 0;
    const result = await quickly();
    expect(result).toMatchObject({ held: false, root: third.root, landedBytes: 0 });
    // 1 MiB of device state, 0.45 MiB of blocks; no sums of what is the same.
    expect(relay.bytes).toBeLessThan(1.6 * MIB);
    expect(await far.workspace()).toMatchObject({ base: third.root, owner: "near", state: "away" });
    expect(await readdir(new StatePaths(far.state).incoming)).toEqual([]);
    expect(await readdir(new StatePaths(near.state).incoming)).toEqual([]);
    expect((await near.call("check", { workspace: WORKSPACE, peer: "far", purpose: "migration", hold: true })).missing).toEqual([]);
    expect((await near.call("report", {})).migrations).toEqual([]);
    relay.bytes = 0;
    expect(await quickly()).toMatchObject({ held: true });
  });

  it("of one that grew from what is damaged there sends the files", async () => {
    const fourth = await grow("fourth", "third");
    const { base } = await far.workspace();
    const ram = await open(new StatePaths(far.state).generation(String(base)).ram, "r+");
    await ram.write(Buffer.from([1, 2, 3]), 0, 3, 8 * 4096);
    await ram.close();
    expect(await quickly()).toMatchObject({ held: false, root: fourth.root });
    expect((await far.workspace()).base).toBe(fourth.root);
    expect((await near.call("check", { workspace: WORKSPACE, peer: "far", purpose: "migration", hold: true })).missing).toEqual([]);
  });
});
