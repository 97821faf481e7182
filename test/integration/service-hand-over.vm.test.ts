import { chmod, cp, mkdir, mkdtemp, open, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { delay } from "../../common/abort.ts";
import { buildGuest } from "../../guests/build.ts";
import { Activity } from "../../service/context.ts";
import { GenerationCheck } from "../../service/generation-check.ts";
import { RunDirs } from "../../service/run-dirs.ts";
import { exists } from "../../service/store/durable.ts";
import { Store } from "../../service/store/store.ts";
import type { WorkspaceDeps } from "../../service/workspaces/dependencies.ts";
import { exportGeneration } from "../../service/workspaces/export-generation.ts";
import { importGeneration, readGenerationFolder } from "../../service/workspaces/generation-folder.ts";
import { buildGeneration } from "../../service/workspaces/hash-generation.ts";
import { GENERATIONS_KEPT } from "../../service/workspaces/kept-generations.ts";
import { MAX_LAYERS } from "../../service/workspaces/tidy.ts";
import type { Workspace } from "../../service/workspaces/workspace.ts";
import { Workspaces } from "../../service/workspaces/workspaces.ts";
import { HashPool } from "../../syncer/hash-pool.ts";
import { adoptMachine } from "../../vm/machine-process.ts";
import { SyncOrder } from "../unit/sync-order.ts";

/** Changes a bit in the middle of a stored file; doing it again undoes it. */
async function flip(path: string): Promise<void> {
  await chmod(path, 0o600);
  const file = await open(path, "r+");
  const at = Math.floor((await file.stat()).size / 2) + 5;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
  await file.write(Buffer.of((buffer[0] ?? 0) ^ 1), 0, 1, at);
  await file.close();
}

/** What a service is made of, without its sockets. */
class TestHost {
  readonly deps: WorkspaceDeps;
  workspaces: Workspaces;

  private constructor(deps: WorkspaceDeps, workspaces: Workspaces) {
    this.deps = deps;
    this.workspaces = workspaces;
  }

  /** @param tmpfs where running RAM goes; null puts it on disk */
  static async open(dir: string, hostName: string, hashPool: HashPool, tmpfs: string | null): Promise<TestHost> {
    const store = await Store.open(join(dir, hostName), hostName);
    const runDirs = await RunDirs.open(store.paths, { tmpfs });
    const log = pino({ level: "silent" });
    const parts = { hostName, store, runDirs, hashPool, log, stopping: new AbortController().signal };
    const deps: WorkspaceDeps = {
      ...parts,
      generationCheck: new GenerationCheck(parts),
      activity: new Activity(),
      pauseKey: true,
      keepLogsDays: null,
      ownNetwork: () => Promise.resolve(),
      accelerator: () => Promise.resolve({ accelerator: "tcg", reason: "the test says so" }),
      qemuVersion: () => Promise.resolve("7.2"),
    };
    return new TestHost(deps, await Workspaces.open(deps));
  }

  get work(): Workspace {
    return this.workspaces.get("work");
  }

  /** As if the service had been killed: QEMU goes on, everything that is only in memory is lost. */
  async crash(): Promise<void> {
    await this.work.leave();
    this.workspaces = await Workspaces.open(this.deps);
  }

  async close(): Promise<void> {
    await this.workspaces.stop("kill");
    // One that is paused for a migration is not turned off by that.
    await this.work.leave();
    await (await adoptMachine(this.deps.runDirs.paths(this.work.row.id).dir))?.quit();
    await this.deps.runDirs.remove(this.work.row.id);
    await this.deps.runDirs.close();
    await this.deps.store.close();
  }
}

describe("handing a workspace over", () => {
  let dir: string;
  let pool: HashPool;
  let alpha: TestHost;
  let beta: TestHost;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "hw-hand-over-"));
    pool = HashPool.create();
    alpha = await TestHost.open(dir, "alpha", pool, "/dev/shm");
    beta = await TestHost.open(dir, "beta", pool, "/dev/shm");
    const guest = await buildGuest("tiny");
    await alpha.workspaces.create({ workspace: "work", from: guest.dir, owner: null, verified: false });
    await alpha.work.start();
    await delay(1500);
    const generation = await alpha.work.seal();
    await exportGeneration(alpha.deps, generation, join(dir, "exported"), {});
    const request = { workspace: "work", from: join(dir, "exported"), owner: "alpha", verified: false };
    await beta.workspaces.create(request);
  });
  afterAll(async () => {
    await alpha.close();
    await beta.close();
    await pool.close();
    await rm(dir, { recursive: true, force: true });
  });

  it("gives the destination a replica that it may not run", async () => {
    expect(beta.work).toMatchObject({ owner: "alpha", state: "away", base: alpha.work.base });
    await expect(beta.work.start()).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(beta.work.suspendForMigration()).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it("finds what a crash, or a power cut that undid its removal, has left of an earlier state, and removes it", async () => {
    const { saved, overlay } = beta.deps.store.paths.workspace("work");
    await mkdir(saved.dir, { recursive: true });
    for (const path of [saved.ram, saved.device, overlay]) await writeFile(path, "of a state that was handed over");
    await beta.crash();
    for (const path of [saved.dir, overlay]) expect(await exists(path)).toBe(false);
    expect(beta.work).toMatchObject({ owner: "alpha", state: "away" });
  });

  it("does not take in a generation that was tampered with, and keeps nothing of it", async () => {
    const { store } = alpha.deps;
    const bad = join(dir, "bad");
    const tamper = async (file: string, verified: boolean): Promise<void> => {
      await cp(join(dir, "exported"), bad, { recursive: true });
      const handle = await open(join(bad, file), "r+");
      const { size } = await handle.stat();
      const at = Math.floor(size / 2);
      const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, at);
      await handle.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, at);
      await handle.close();
      const gamma = await TestHost.open(dir, "gamma", pool, null);
      try {
        const request = { workspace: "work", from: bad, owner: null, verified };
        await expect(gamma.workspaces.create(request)).rejects.toMatchObject({ code: "DAMAGED" });
        expect(gamma.workspaces.list()).toEqual([]);
        expect(gamma.deps.store.generations.roots()).toEqual([]);
        for (const folder of [gamma.deps.store.paths.incoming, gamma.deps.store.paths.workspaces])
          expect(await readdir(folder)).toEqual([]);
      } finally {
        await gamma.deps.store.close();
        await gamma.deps.runDirs.close();
        await rm(bad, { recursive: true });
      }
    };
    await tamper("ram", false);
    for (const file of ["device", "kernel", "ram.tree"]) await tamper(file, true);
    expect(store.generations.roots()).toEqual([alpha.work.base]);
  });

  it("works as well with RAM on disk", async () => {
    const gamma = await TestHost.open(dir, "gamma", pool, null);
    try {
      const request = { workspace: "work", from: join(dir, "exported"), owner: null, verified: true };
      await gamma.workspaces.create(request);
      await gamma.work.start();
      expect(gamma.deps.runDirs.placeOf(gamma.work.running?.ramPath ?? "")).toBe("disk");
      await gamma.work.suspendForMigration();
      await gamma.work.resumeAfterCancel();
      expect(await gamma.work.running?.machine.status()).toBe("running");
      await gamma.work.suspendForMigration();
      await gamma.crash();
      await gamma.work.resumeAfterCancel();
      await gamma.work.suspend();
      const { paths } = gamma.deps.store;
      expect(await readdir(paths.workspace("work").dir)).not.toContain("ram");
      await gamma.work.start();
      const { root } = await gamma.work.seal();
      expect(gamma.work).toMatchObject({ base: root, state: "running" });
      expect(await gamma.work.running?.machine.status()).toBe("running");
    } finally {
      await gamma.close();
    }
  });

  it("runs on after a cancelled migration, in the same QEMU", async () => {
    const pid = alpha.work.running?.machine.pid;
    const state = await alpha.work.suspendForMigration();
    expect(state.base).toBe(alpha.work.base);
    expect(alpha.work.state).toBe("paused-for-migration");
    await expect(alpha.work.start()).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(alpha.work.power("off")).rejects.toMatchObject({ code: "CONFLICT" });
    await alpha.work.resumeAfterCancel();
    await alpha.work.resumeAfterCancel();
    expect(alpha.work.state).toBe("running");
    expect(alpha.work.running?.machine.pid).toBe(pid);
    expect(await alpha.work.running?.machine.status()).toBe("running");
  });

  it("is on disk as a whole, with its input, before the record says that it is paused", async () => {
    const order = await SyncOrder.watch();
    const { workspaces } = alpha.deps.store;
    const update = workspaces.update.bind(workspaces);
    workspaces.update = (name, change) => {
      order.events.push(`record ${change.state ?? "other"}`);
      return update(name, change);
    };
    try {
      await alpha.work.suspendForMigration();
      const synced = order.syncedBefore("record paused-for-migration");
      for (const file of ["ram", "device", "disk.qcow2"]) expect(synced.filter((name) => name === file)).toHaveLength(1);
      // The files, then their folder, then, under its final name, the folder that it is in.
      expect(synced.slice(-2)).toEqual(["suspended.new", "work"]);
      expect(Math.max(...["ram", "device", "disk.qcow2"].map((name) => synced.indexOf(name)))).toBeLessThan(
        synced.lastIndexOf("suspended.new"),
      );
    } finally {
      order.stop();
      workspaces.update = update;
    }
    await alpha.work.resumeAfterCancel();
  });

  it("stays paused over a restart of the service, and runs on when the migration is given up", async () => {
    const pid = alpha.work.running?.machine.pid;
    const state = await alpha.work.suspendForMigration();
    await alpha.crash();
    expect(alpha.work.state).toBe("paused-for-migration");
    expect(alpha.work.suspendedState()).toEqual(state);
    await alpha.work.resumeAfterCancel();
    expect(alpha.work.running?.machine.pid).toBe(pid);
    expect(await alpha.work.running?.machine.status()).toBe("running");
  });

  it("loses nothing when QEMU dies while it is paused", async () => {
    await alpha.work.suspendForMigration();
    const pid = alpha.work.running?.machine.pid;
    if (pid === undefined) throw new Error("no QEMU");
    process.kill(pid, "SIGKILL");
    await alpha.crash();
    await alpha.work.resumeAfterCancel();
    expect(alpha.work.state).toBe("suspended");
    await alpha.work.start();
    expect(alpha.work.state).toBe("running");
  });

  it("seals around a generation that is damaged, without taking the damage over", async () => {
    const { generations, paths } = alpha.deps.store;
    await flip(generations.require(alpha.work.base ?? "").ramPath);
    const sealed = await alpha.work.seal();
    expect(sealed.manifest.parent).toBeNull();
    expect(alpha.work).toMatchObject({ base: sealed.root, state: "running" });
    await rm(paths.generation(sealed.root).checked);
    await alpha.deps.generationCheck.requireIntact(sealed, { hint: "" });
  });

  it("hands over: a generation on both sides, run by the new owner only", async () => {
    const base = alpha.work.base;
    const saved = await alpha.work.suspendForMigration();
    const source = { id: "test", saved, base: alpha.deps.store.generations.require(saved.base) };
    const { parts, dir: built } = await buildGeneration(alpha.deps, source, {});
    const generation = await alpha.work.becomeGeneration(parts, "beta");
    expect(generation.manifest.parent).toBe(base);
    expect(await alpha.work.becomeGeneration(parts, "beta")).toEqual(generation);
    expect(alpha.work).toMatchObject({ owner: "beta", state: "away", base: generation.root, running: null });
    await expect(alpha.work.start()).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await readdir(alpha.deps.store.paths.workspace("work").dir)).not.toContain("disk.qcow2");
    await rm(built, { recursive: true });

    await exportGeneration(alpha.deps, generation, join(dir, "moved"), {});
    const manifest = await readGenerationFolder(join(dir, "moved"));
    await importGeneration(beta.deps, join(dir, "moved"), manifest, { verified: false, together: () => undefined });
    const take = (): Promise<void> => beta.work.takeGeneration(generation.root, false, () => undefined);
    await take();
    await expect(take()).rejects.toMatchObject({ code: "CONFLICT" });
    expect(beta.work).toMatchObject({ owner: "here", state: "suspended", base: generation.root });
    await flip(generation.ramPath.replace("alpha", "beta"));
    await expect(beta.work.start()).rejects.toMatchObject({
      code: "DAMAGED",
      message: expect.stringMatching(/the RAM of generation .* on beta is damaged/) as string,
      hint: expect.stringMatching(/power work off/) as string,
    });
    expect(beta.work).toMatchObject({ state: "suspended", base: generation.root });
    await flip(generation.ramPath.replace("alpha", "beta"));
    await beta.work.start();
    expect(await beta.work.running?.machine.status()).toBe("running");
  });

  it("keeps few generations and short chains of layers, however often it is sealed", async () => {
    for (let i = 0; i < MAX_LAYERS + 1; i++) await beta.work.seal();
    await beta.work.suspend();
    // Merging goes on in the background, one chain after the other.
    const { generations } = beta.deps.store;
    const tidy = (): boolean =>
      generations.require(beta.work.base ?? "").layerIds.length <= MAX_LAYERS &&
      generations.roots().length <= GENERATIONS_KEPT;
    const deadline = performance.now() + 20_000;
    while (!tidy() && performance.now() < deadline) await delay(100);
    expect(generations.require(beta.work.base ?? "").layerIds.length).toBeLessThanOrEqual(MAX_LAYERS);
    expect(generations.roots().length).toBeLessThanOrEqual(GENERATIONS_KEPT);
    await beta.work.start();
    expect(await beta.work.running?.machine.status()).toBe("running");
  });
});
