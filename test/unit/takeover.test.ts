import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { duration } from "../../cli/text/age.ts";
import { isNewer, type Epoch } from "../../protocol/epoch.ts";
import { onEpoch } from "../../service/migration/decisions.ts";
import { Store } from "../../service/store/store.ts";
import { finishSettingAside, returnedName, setAside } from "../../service/workspaces/fence.ts";
import { generationFiles, rootOf, workspace } from "./store-fixtures.ts";

const EPOCHS: readonly Epoch[] = [
  { number: 0, by: null },
  { number: 1, by: "far" },
  { number: 1, by: "near" },
  { number: 2, by: "far" },
];

describe("epochs", () => {
  it("are in one order, in which no two hosts begin the same one", () => {
    for (const [i, a] of EPOCHS.entries()) for (const [j, b] of EPOCHS.entries()) expect(isNewer(a, b)).toBe(i > j);
  });

  it("decide between two hosts so that exactly one of two owners is fenced", () => {
    for (const a of EPOCHS)
      for (const b of EPOCHS) {
        if (a === b) continue;
        const decided = [onEpoch({ isOwner: true, epoch: a }, b), onEpoch({ isOwner: true, epoch: b }, a)];
        expect(decided.sort()).toEqual(["fence-them", "fenced"]);
        expect(onEpoch({ isOwner: false, epoch: a }, b)).toBe(isNewer(b, a) ? "follow" : "fence-them");
      }
    expect(onEpoch({ isOwner: true, epoch: { number: 1, by: "far" } }, { number: 1, by: "far" })).toBe("same");
  });
});

describe("the name of what came back", () => {
  it("has the date, is a name, and is nobody else's", () => {
    const at = new Date("2026-11-21T23:59:00Z");
    expect(returnedName("work", at, () => false)).toBe("work-returned-20261121");
    expect(returnedName("work", at, (name) => name === "work-returned-20261121")).toBe("work-returned-20261121-2");
    const long = returnedName("a".repeat(32), at, () => false);
    expect(long).toBe(`${"a".repeat(14)}-returned-20261121`);
    expect(returnedName("0123456789abc-defgh", at, () => false)).toBe("0123456789abc-returned-20261121");
  });
});

describe("what would be lost", () => {
  it("is told to the minute", () => {
    const now = new Date("2026-11-21T12:00:59Z");
    expect(duration("2026-11-21T12:00:00Z", now)).toBe("0 min");
    expect(duration("2026-11-21T09:57:00Z", now)).toBe("2 h 3 min");
    expect(duration("2026-11-19T12:00:00Z", now)).toBe("2 days 0 h 0 min");
    expect(duration("2026-11-22T12:00:00Z", now)).toBe("0 min");
  });
});

describe("a workspace that is set aside", () => {
  const ROOT = rootOf("a");
  const fenced = { from: "w", owner: "far", epoch: { number: 1, by: "far" }, root: ROOT } as const;
  let dir: string;
  let store: Store;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "hw-aside-"));
    store = await Store.open(join(dir, "state"), "near");
    const generation = await store.generations.install(await generationFiles(join(dir, "state", "incoming", "x"), ROOT));
    store.workspaces.insert(workspace("w", generation.layerIds, { base: ROOT, state: "suspended" }));
    await mkdir(store.paths.workspace("w").dir, { recursive: true });
    await writeFile(join(store.paths.workspace("w").dir, "disk.qcow2"), "work");
  });
  afterEach(async () => {
    await store.close();
    await rm(dir, { recursive: true });
  });

  async function expectAside(id: string): Promise<void> {
    const row = store.workspaces.require("w-returned");
    expect(row).toMatchObject({ id, owner: null, state: "suspended", base: ROOT, fenced: null });
    expect(row.note).toMatch(/far took w over/);
    expect(await readFile(join(store.paths.workspace("w-returned").dir, "disk.qcow2"), "utf8")).toBe("work");
    expect(store.workspaces.require("w")).toMatchObject({ owner: "far", state: "away", base: ROOT, epoch: { number: 1, by: "far" } });
  }

  it("keeps all that is its own under the new name, and the old one is the owner's", async () => {
    const { id } = store.workspaces.require("w");
    await setAside(store, "w", "w-returned", fenced);
    await expectAside(id);
  });

  it("is so after a crash at any step, too", async () => {
    const { id } = store.workspaces.require("w");
    const row = store.workspaces.rename("w", "w-returned", { fenced, note: "far took w over" });
    // Only the record.
    await finishSettingAside(store, row);
    await expectAside(id);
    // Everything but the last record.
    store.workspaces.delete("w");
    await finishSettingAside(store, store.workspaces.update("w-returned", { fenced }));
    await expectAside(id);
  });

  it("leaves nothing under the old name if the owner's generation is not held here", async () => {
    await setAside(store, "w", "w-returned", { ...fenced, root: rootOf("b") });
    expect(store.workspaces.get("w")).toBeNull();
    expect(store.workspaces.require("w-returned").owner).toBeNull();
  });
});
