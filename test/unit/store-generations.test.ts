import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { HomewardError } from "../../common/errors.ts";
import { Store } from "../../service/store/store.ts";
import { endedLogs, keptGenerations } from "../../service/workspaces/kept-generations.ts";
import { generationFiles, rootOf, workspace } from "./store-fixtures.ts";
import { SyncOrder } from "./sync-order.ts";

const [A, B, C, D, E, F, G] = ["a", "b", "c", "d", "e", "f", "9"].map(rootOf) as [
  string,
  string,
  string,
  string,
  string,
  string,
  string,
];

describe("stored generations", () => {
  let dir: string;
  let files: string;
  let store: Store;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "hw-generations-"));
    files = join(dir, "files");
    store = await Store.open(join(dir, "state"), "alpha");
  });
  afterEach(async () => {
    await store.close();
    await rm(dir, { recursive: true, force: true });
  });

  it("are made of files without copying them, and can no longer be written", async () => {
    const parts = await generationFiles(files, A);
    const made = await store.generations.install(parts);
    expect((await stat(made.ramPath)).ino).toBe((await stat(parts.ramPath)).ino);
    expect(await readFile(made.diskTreePath, "utf8")).toBe("disk.tree of a");
    expect(made.layers).toHaveLength(1);
    expect(await readFile(made.layers[0] ?? "", "utf8")).toBe("disk of a");
    for (const path of [made.ramPath, made.devicePath, made.layers[0] ?? ""])
      expect((await stat(path)).mode & 0o777).toBe(0o400);
    expect(store.generations.require(A)).toEqual(made);
    expect(JSON.parse(await readFile(store.paths.generation(A).manifest, "utf8"))).toEqual(parts.manifest);
  });

  it("are on disk as a whole, names included, before any row says that they are there", async () => {
    const order = await SyncOrder.watch();
    try {
      const made = await store.generations.install(await generationFiles(files, A), () => order.events.push("row"));
      const layer = made.layers[0] ?? "";
      const names = ["ram", "device", "ram.tree", "disk.tree", "ram.hashes", "disk.hashes", "generation.json.tmp"];
      const folders = [`new-${A}`, "generations", "layers"];
      expect(order.syncedBefore("row")).toEqual(expect.arrayContaining([...names, ...folders, basename(layer)]));
      // A folder is synced after what is in it.
      const synced = order.syncedBefore("row");
      expect(synced.lastIndexOf(`new-${A}`)).toBeGreaterThan(synced.indexOf("ram"));
      expect(synced.indexOf("layers")).toBeGreaterThan(synced.indexOf(basename(layer)));
    } finally {
      order.stop();
    }
  });

  it("tell which input logs ended how long ago; the newest has not", async () => {
    const made = Date.parse("2026-01-01T00:00:00.000Z");
    const day = 24 * 60 * 60 * 1000;
    const a = await store.generations.install(await generationFiles(files, A));
    await store.generations.install(await generationFiles(files, B, [], A));
    await store.generations.install(await generationFiles(files, C, [], B));
    const row = store.workspaces.insert(workspace("work", a.layerIds, { base: C }));
    expect(endedLogs(store, row, 2, made + 2 * day - 1)).toEqual([]);
    expect(endedLogs(store, row, 2, made + 2 * day)).toEqual([B, A]);
    expect(endedLogs(store, row, 0, made)).toEqual([B, A]);
    expect(endedLogs(store, { ...row, base: null }, 0, made)).toEqual([]);
    expect(endedLogs(store, { ...row, base: A }, 0, made)).toEqual([]);
  });

  it("change other rows in the same moment, or not at all", async () => {
    const parts = await generationFiles(files, A);
    const refuse = (): never => {
      throw new Error("no");
    };
    await expect(store.generations.install(parts, refuse)).rejects.toThrow("no");
    expect(store.generations.get(A)).toBeNull();
    expect(await readFile(parts.ramPath, "utf8")).toBe("ram of a");
    const { layerIds } = await store.generations.install(parts, (layers) => {
      store.workspaces.insert(workspace("w", layers, { base: A }));
    });
    expect(store.workspaces.get("w")?.layers).toEqual(layerIds);
  });

  it("are made once, however often", async () => {
    const parts = await generationFiles(files, A);
    const [first, second] = await Promise.all([store.generations.install(parts), store.generations.install(parts)]);
    expect(second).toEqual(first);
    expect(await readdir(store.paths.layers)).toHaveLength(1);
    let told: readonly string[] = [];
    await store.generations.install(parts, (layers) => {
      told = layers;
    });
    expect(told).toEqual(first.layerIds);
  });

  it("lose what a crash left half done, and nothing else", async () => {
    const made = await store.generations.install(await generationFiles(files, A));
    await mkdir(store.paths.newGeneration(B).dir);
    await mkdir(store.paths.generation(C).dir);
    await writeFile(store.paths.layer("unknown"), "");
    await writeFile(join(store.paths.layers, "unknown.qcow2.link"), "");
    await store.close();
    store = await Store.open(join(dir, "state"), "alpha");
    expect(await readdir(store.paths.generations)).toEqual([A]);
    // The layer of a generation that no workspace has is kept as well: it is part of the generation.
    expect(await readdir(store.paths.layers)).toEqual([`${made.layerIds[0] ?? ""}.qcow2`]);
    expect(await readFile(made.ramPath, "utf8")).toBe("ram of a");
  });

  it("leave nothing behind that found no room, and can be tried again", async () => {
    const noRoom = (): never => {
      throw new HomewardError("NO_ROOM", "database or disk is full");
    };
    const first = await store.generations.install(await generationFiles(files, A));
    const parts = await generationFiles(files, B, first.layerIds, A);
    await expect(store.generations.install(parts, noRoom)).rejects.toMatchObject({ code: "NO_ROOM" });
    await expect(store.generations.addLayer(parts.topLayer, noRoom)).rejects.toMatchObject({ code: "NO_ROOM" });
    expect(await readdir(store.paths.generations)).toEqual([A]);
    expect(await readdir(store.paths.layers)).toEqual(first.layerIds.map((id) => `${id}.qcow2`));
    await store.generations.install(parts);
    expect(await readdir(store.paths.layers)).toHaveLength(2);
  });

  it("are deleted unless a workspace is based on them, and share layers until the last", async () => {
    const first = await store.generations.install(await generationFiles(files, A));
    const second = await store.generations.install(await generationFiles(files, B, first.layerIds, A));
    store.workspaces.insert(workspace("w", second.layerIds, { base: B }));
    await expect(store.generations.delete(B)).rejects.toMatchObject({ code: "CONFLICT" });
    await store.generations.delete(A);
    await store.generations.collectGarbage();
    expect(await readdir(store.paths.layers)).toHaveLength(2);
    store.workspaces.delete("w");
    await store.generations.delete(B);
    await store.generations.collectGarbage();
    expect(await readdir(store.paths.layers)).toEqual([]);
    expect(await readdir(store.paths.generations)).toEqual([]);
  });

  it("get a shorter list of layers wherever the long one is at the bottom", async () => {
    const first = await store.generations.install(await generationFiles(files, A));
    const second = await store.generations.install(await generationFiles(files, B, first.layerIds, A));
    const third = await store.generations.install(await generationFiles(files, C, second.layerIds, B));
    store.workspaces.insert(workspace("w", third.layerIds, { base: C }));
    await writeFile(join(files, "merged"), "merged");
    await store.generations.addLayer(join(files, "merged"), (id) => {
      store.generations.replaceBottom(second.layerIds, [id]);
    });
    const merged = store.generations.require(B).layerIds;
    expect(merged).toHaveLength(1);
    expect(store.generations.require(A).layerIds).toEqual(first.layerIds);
    expect(store.generations.require(C).layerIds).toEqual([third.layerIds[0], ...merged]);
    expect(store.workspaces.require("w").layers).toEqual([third.layerIds[0], ...merged]);
  });

  it("are wanted: the newest three of a workspace and those of an unfinished migration", async () => {
    let below: readonly string[] = [];
    let parent: string | null = null;
    for (const root of [A, B, C, D]) {
      ({ layerIds: below } = await store.generations.install(await generationFiles(files, root, below, parent)));
      parent = root;
    }
    store.workspaces.insert(workspace("w", below, { base: D }));
    expect([...keptGenerations(store).keys()].sort()).toEqual([B, C, D]);
    store.migrations.insert({
      id: "00000000-0000-4000-8000-000000000000",
      workspace: "w",
      role: "destination",
      kind: "migration",
      peer: "beta",
      mode: "replay",
      state: "building",
      base: A,
    });
    expect([...keptGenerations(store).keys()].sort()).toEqual([A, B, C, D]);
  });

  it("are kept for a host that has not moved on, once exported, and while held", async () => {
    let parent: string | null = null;
    for (const root of [A, B, C, D, E, F, G]) {
      await store.generations.install(await generationFiles(files, root, [], parent));
      parent = root;
    }
    const { layerIds } = store.generations.require(G);
    store.workspaces.insert(workspace("w", layerIds, { base: G }));
    const kept = (): string => [...keptGenerations(store).keys()].map((root) => root.charAt(0)).sort().join("");
    expect(kept()).toBe("9ef");
    let id = 0;
    const migration = (peer: string, state: string, base: string, root?: string): void => {
      store.migrations.insert({
        id: `00000000-0000-4000-8000-00000000000${String(id++)}`,
        workspace: "w",
        role: "source",
        kind: "migration",
        peer,
        mode: "replay",
        state,
        base,
        ...(root === undefined ? {} : { root }),
      });
    };
    // Gamma was last dealt with long ago; with beta the workspace went on.
    migration("gamma", "done", A, B);
    migration("beta", "done", B, C);
    migration("beta", "done", C, F);
    expect(kept()).toBe("9bef");
    expect(keptGenerations(store).get(B)).toEqual(["gamma may start from it"]);
    // One that came to nothing says that both had its base, and takes nothing back.
    migration("beta", "cancelled", F);
    migration("delta", "dropped", D);
    expect(kept()).toBe("9bdef");
    store.generations.noteExported(A);
    expect(kept()).toBe("9abdef");
    // Only the last export counts, whatever the clock says of when it was.
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() - 86_400_000 });
    store.generations.noteExported(C);
    vi.useRealTimers();
    expect(store.generations.exported()).toEqual([C, A]);
    store.generations.noteExported(A);
    expect(store.generations.exported()).toEqual([A, C]);
    const letGo = store.generations.hold(C);
    const letGoToo = store.generations.hold(C);
    expect(kept()).toBe("9abcdef");
    await expect(store.generations.delete(C)).rejects.toMatchObject({ code: "CONFLICT" });
    letGo();
    letGo();
    expect(store.generations.held).toEqual(new Set([C]));
    letGoToo();
    expect(kept()).toBe("9abdef");
    await store.generations.delete(C);
    expect(store.layers.unusedWithout(new Set())).toHaveLength(1);
    expect(store.layers.unusedWithout(new Set([A]))).toHaveLength(2);
  });
});
