import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Database } from "../../service/store/database.ts";
import { LayersTable } from "../../service/store/layers-table.ts";
import { MigrationsTable, type NewMigration } from "../../service/store/migrations-table.ts";
import { WorkspacesTable } from "../../service/store/workspaces-table.ts";
import { MIGRATION_REPORT } from "./cli-reports.ts";
import { machine, rootOf, workspace } from "./store-fixtures.ts";

let db: Database;
let layers: LayersTable;
beforeEach(() => {
  db = new Database(":memory:");
  layers = new LayersTable(db);
  for (const id of ["a", "b", "c"]) layers.insert(id, 10);
});

describe("the database", () => {
  it("does all of a transaction or nothing, also when they are nested", () => {
    expect(() =>
      db.transaction(() => {
        layers.insert("d", 1);
        db.transaction(() => {
          layers.insert("e", 1);
        });
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(layers.ids().sort()).toEqual(["a", "b", "c"]);
  });

  it("refuses references to what is not there", () => {
    const table = new WorkspacesTable(db);
    expect(() => table.insert(workspace("w", ["none"]))).toThrow();
    expect(table.get("w")).toBeNull();
    expect(() => table.insert(workspace("w", ["a"], { base: rootOf("f") }))).toThrow();
  });
});

describe("a table that something else has changed", () => {
  const damaged = expect.objectContaining({ code: "DAMAGED" }) as Error;

  it("is damage, whatever is in it", () => {
    const table = new WorkspacesTable(db);
    table.insert(workspace("w", ["a"]));
    db.run("UPDATE workspaces SET machine = '{}'");
    expect(() => table.list()).toThrow(damaged);
    db.run("PRAGMA ignore_check_constraints = ON");
    db.run("UPDATE workspaces SET recording_paused = 9007199254740993");
    expect(() => table.list()).toThrow(damaged);
    db.run("ALTER TABLE workspaces RENAME COLUMN note TO notes");
    expect(() => {
      table.update("w", {});
    }).toThrow(damaged);
  });
});

describe("workspaces", () => {
  it("are stored whole and changed in part", () => {
    const table = new WorkspacesTable(db);
    const made = table.insert(workspace("w", ["b", "a"]));
    expect(made).toMatchObject({ name: "w", state: "off", layers: ["b", "a"], machine, ramPath: null, note: null });
    expect(made.id).toMatch(/^[0-9a-f]{8}$/);
    const changed = table.update("w", { state: "running", ramPath: "/ram", layers: ["c", "b", "a"] });
    expect(changed).toEqual({ ...made, state: "running", ramPath: "/ram", layers: ["c", "b", "a"] });
    expect(table.update("w", { note: "x" })).toEqual({ ...changed, note: "x" });
    expect(table.list()).toHaveLength(1);
  });

  it("have one name each, and no state that does not exist", () => {
    const table = new WorkspacesTable(db);
    table.insert(workspace("w", ["a"]));
    expect(() => table.insert(workspace("w", ["a"]))).toThrow("already");
    expect(() => table.update("w", { state: "flying" as "off" })).toThrow();
    expect(() => table.update("none", {})).toThrow("no workspace");
    table.delete("w");
    expect(table.get("w")).toBeNull();
  });

  it("keep their layers from being dropped", () => {
    new WorkspacesTable(db).insert(workspace("w", ["b"]));
    expect(layers.dropUnused().sort()).toEqual(["a", "c"]);
    expect(layers.ids()).toEqual(["b"]);
  });
});

describe("migrations", () => {
  const migration = (change: Partial<NewMigration> = {}): NewMigration => ({
    id: randomUUID(),
    workspace: "w",
    role: "source",
    kind: "migration",
    peer: "beta",
    mode: "replay",
    state: "offered",
    base: rootOf("a"),
    ...change,
  });

  it("are changed in part", () => {
    const table = new MigrationsTable(db);
    const row = table.insert(migration({ data: { at: 1 } }));
    expect(row).toMatchObject({ state: "offered", root: null, error: null });
    expect(table.data(row.id)).toEqual({ at: 1 });
    expect(table.update(row.id, { state: "suspended", root: rootOf("b") })).toMatchObject({
      state: "suspended",
      root: rootOf("b"),
    });
    expect(table.update(row.id, { error: "x".repeat(9000) }).error).toHaveLength(4000);
    expect(table.update(row.id, { error: null, data: [2] })).toMatchObject({ error: null, root: rootOf("b") });
    expect(table.data(row.id)).toEqual([2]);
    expect(table.update(row.id, { mode: "overlay" })).toMatchObject({ mode: "overlay", state: "suspended", root: rootOf("b") });
    expect(table.report(row.id)).toBeNull();
    expect(table.newestReported()).toBeNull();
  });

  it("are unfinished until they are in a last state", () => {
    const table = new MigrationsTable(db);
    const rows = ["offered", "released", "done", "cancelled", "dropped"].map((state) =>
      table.insert(migration({ state })),
    );
    expect(table.unfinished().map(({ state }) => state)).toEqual(["offered", "released"]);
    expect(table.list().map(({ id }) => id)).toEqual(rows.map(({ id }) => id).reverse());
    expect(table.list(2)).toHaveLength(2);
  });

  it("are listed with the figures of their reports", () => {
    const table = new MigrationsTable(db);
    const { id } = table.insert(migration());
    table.insert(migration());
    expect(table.lastMove("w")).toBeNull();
    table.update(id, { state: "done", report: MIGRATION_REPORT });
    expect(table.summaries().map(({ bytes, seconds }) => ({ bytes, seconds }))).toEqual([
      { bytes: null, seconds: null },
      { bytes: 547_176, seconds: 42.5 },
    ]);
    expect(table.lastMove("w")).toEqual(MIGRATION_REPORT);
    // As an earlier version wrote it, which knew of no choice.
    db.run("UPDATE migrations SET report = json_remove(report, '$.choice') WHERE id = ?", id);
    expect(table.lastMove("w")).toEqual(MIGRATION_REPORT);
    expect(table.lastMove("other")).toBeNull();
  });

  it("keep their order when the clock is set back", () => {
    const table = new MigrationsTable(db);
    const first = table.insert(migration());
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() - 86_400_000 });
    const second = table.insert(migration());
    vi.useRealTimers();
    expect(second.startedAt < first.startedAt).toBe(true);
    expect(table.list().map(({ id }) => id)).toEqual([second.id, first.id]);
    expect(table.unfinished().map(({ id }) => id)).toEqual([first.id, second.id]);
    for (const { id } of [first, second]) table.update(id, { state: "done", report: { ...MIGRATION_REPORT, id } });
    expect(table.newestReported()).toBe(second.id);
    expect(table.lastMove("w")?.id).toBe(second.id);
  });

  it("tell who held a generation: both ends of a move that is over, and who rehearsed from it", () => {
    const table = new MigrationsTable(db);
    table.insert(migration({ state: "done", root: rootOf("b"), peer: "home" }));
    table.insert(migration({ state: "cancelled", root: rootOf("b"), peer: "gone" }));
    table.insert(migration({ state: "done", kind: "measurement", base: rootOf("b"), root: rootOf("c"), peer: "office" }));
    expect(table.holders(rootOf("a"))).toEqual(["home"]);
    expect(table.holders(rootOf("b"))).toEqual(["home", "office"]);
    expect(table.holders(rootOf("c"))).toEqual([]);
  });

  it("that something else has changed are damage, and leave the others readable in the list", () => {
    const table = new MigrationsTable(db);
    const { id } = table.insert(migration({ data: { parts: 1 } }));
    table.update(id, { report: MIGRATION_REPORT });
    db.run("UPDATE migrations SET report = '{', data = '{'");
    expect(table.summaries()).toMatchObject([{ id, bytes: null, seconds: null }]);
    for (const read of [() => table.report(id), () => table.data(id)])
      expect(read).toThrow(expect.objectContaining({ code: "DAMAGED" }) as Error);
    db.run("UPDATE migrations SET mode = 'other', report = '{\"bytes\":1}'");
    for (const read of [() => table.list(), () => table.get(id), () => table.report(id)])
      expect(read).toThrow(expect.objectContaining({ code: "DAMAGED" }) as Error);
  });

  it("have one id each", () => {
    const table = new MigrationsTable(db);
    const row = table.insert(migration());
    expect(() => table.insert(migration({ id: row.id }))).toThrow("already");
    expect(() => table.update(randomUUID(), {})).toThrow("no migration");
    expect(table.get(randomUUID())).toBeNull();
    expect(table.data(randomUUID())).toBeNull();
  });
});
