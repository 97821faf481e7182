import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SQLInputValue } from "node:sqlite";
import { toHomewardError } from "../../../common/errors.ts";
import { Database } from "../../../service/store/database.ts";
import { GenerationsStore } from "../../../service/store/generations-store.ts";
import { LayersTable } from "../../../service/store/layers-table.ts";
import { MigrationsTable } from "../../../service/store/migrations-table.ts";
import { PairingsTable } from "../../../service/store/pairings-table.ts";
import { StatePaths } from "../../../service/store/paths.ts";
import { WorkspacesTable } from "../../../service/store/workspaces-table.ts";
import { MIGRATION_REPORT, MIGRATION_ROW, PAIRED_HOST } from "../../unit/cli-reports.ts";
import { rootOf } from "../../unit/store-fixtures.ts";
import { MACHINE, soundManifest } from "../samples.ts";
import type { FuzzedParser } from "../parser.ts";
import { pick } from "../random.ts";

const TIME = "2026-01-02T03:04:05.000Z";
const MANIFEST = soundManifest(MACHINE);

type Rows = Readonly<Record<string, Readonly<Record<string, SQLInputValue>>>>;

const ROWS: Rows = {
  layers: { id: "layer", bytes: 4096, created_at: TIME },
  generations: { root: rootOf("a"), parent: null, manifest: JSON.stringify(MANIFEST), created_at: TIME, exported_at: TIME },
  generation_layers: { root: rootOf("a"), position: 0, layer: "layer" },
  workspaces: {
    name: "work",
    id: "0123abcd",
    owner: null,
    base: rootOf("a"),
    machine: JSON.stringify(MACHINE),
    state: "running",
    resume_from: "saved",
    ram_path: "/dev/shm/x",
    note: "a note",
    created_at: TIME,
    updated_at: TIME,
    recording_paused: 0,
  },
  workspace_layers: { workspace: "work", position: 0, layer: "layer" },
  migrations: {
    id: MIGRATION_ROW.id,
    workspace: "work",
    role: "source",
    kind: "migration",
    peer: "home",
    mode: "replay",
    state: "done",
    base: rootOf("a"),
    root: null,
    started_at: TIME,
    updated_at: TIME,
    error: null,
    data: JSON.stringify({ parts: 1 }),
    report: JSON.stringify(MIGRATION_REPORT),
  },
  pairings: {
    name: "home",
    id: PAIRED_HOST.id,
    address: "h:1",
    rights: JSON.stringify(PAIRED_HOST.rights),
    paired_at: TIME,
    last_seen_at: null,
  },
};

/** Values as SQLite takes them, whatever was made of them. */
function value(given: unknown): SQLInputValue {
  if (given === undefined) return null;
  if (given === null || typeof given === "string" || typeof given === "number") return given;
  return typeof given === "boolean" ? Number(given) : JSON.stringify(given);
}

function fill(db: Database, rows: Rows): void {
  for (const table of Object.keys(ROWS).reverse()) db.run(`DELETE FROM ${table}`);
  for (const [table, columns] of Object.entries(ROWS)) {
    const names = Object.keys(columns);
    const given = rows[table];
    const marks = names.map(() => "?").join(", ");
    db.run(`INSERT INTO ${table} (${names.join(", ")}) VALUES (${marks})`, ...names.map((name) => value(given?.[name])));
  }
}

/**
 * Asks for everything that rows are decoded for.
 * @param mayMiss whether a row that is listed may not be found by its key: SQLite does not notice every damaged index
 */
function readAll(db: Database, mayMiss = false): void {
  const paths = new StatePaths("/nowhere");
  const layers = new LayersTable(db);
  const workspaces = new WorkspacesTable(db);
  const generations = new GenerationsStore(db, paths, layers, workspaces);
  const migrations = new MigrationsTable(db);
  layers.unusedWithout(new Set(layers.ids()));
  for (const { name } of workspaces.list()) assert.equal(workspaces.require(name).name, name);
  for (const root of [...generations.roots(), ...generations.exported()]) {
    const found = generations.get(root);
    if (found !== null || !mayMiss) assert.equal(found?.root, root);
  }
  for (const { id, workspace } of [...migrations.list(), ...migrations.unfinished(), ...migrations.summaries()]) {
    migrations.data(id);
    migrations.report(id);
    migrations.lastMove(workspace);
    migrations.newestWithEach(workspace);
  }
  migrations.holders(rootOf("a"));
  assert.equal(generations.get("none"), null);
  assert.equal(migrations.data("none"), null);
  assert.equal(migrations.report("none"), null);
  for (const { name } of new PairingsTable(db).list()) assert.ok(name.length > 0);
}

/** Rows that something else than this program has changed. */
export function databaseRows(): FuzzedParser {
  const db = new Database(":memory:");
  db.run("PRAGMA foreign_keys = OFF");
  db.run("PRAGMA ignore_check_constraints = ON");
  return {
    name: "database-rows",
    code: [
      { file: "service/store/database.ts", functions: ["text", "textOrNull", "numberOrNull"] },
      { file: "service/store/migrations-table.ts", functions: ["toRow", "data", "report", "summaries"] },
      { file: "service/store/workspaces-table.ts", functions: ["#toRow"] },
      { file: "service/store/pairings-table.ts", functions: ["paired"] },
      { file: "service/store/generations-store.ts", functions: ["get"] },
    ],
    shape: "json",
    codes: ["DAMAGED"],
    valid: () => [Buffer.from(JSON.stringify(ROWS))],
    parse: (input) => {
      let rows: Rows;
      try {
        rows = JSON.parse(input.toString()) as Rows;
        fill(db, rows);
      } catch {
        // No database ever holds that: a column takes one type only.
        return false;
      }
      readAll(db);
      return true;
    },
  };
}

/** The database's file. Errors of SQLite itself are told as the service tells them. */
export function databaseFile(dir: string): FuzzedParser {
  const path = join(dir, "database");
  let whole: Buffer = Buffer.alloc(0);
  return {
    name: "database-file",
    code: [
      { file: "service/store/database.ts", functions: ["Database", "get", "all", "#prepare"] },
      { file: "service/store/schema.ts", functions: ["upgradeSchema"] },
    ],
    shape: "bytes",
    codes: ["DAMAGED", "ENVIRONMENT", "NO_ROOM", "NOT_FOUND"],
    valid: () => {
      const db = new Database(path);
      fill(db, ROWS);
      db.close();
      whole = readFileSync(path);
      return [whole, Buffer.alloc(0)];
    },
    parse: (input, random) => {
      // Which version it has is in four bytes of many.
      if (random(4) === 0 && input.length > 100 && !input.equals(whole)) input.writeUInt32BE(pick(random, [0, 1, 2, 3, 4, 5, 99]), 60);
      for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true });
      writeFileSync(path, input);
      let db: Database | undefined;
      try {
        db = new Database(path);
        readAll(db, true);
        return true;
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        throw toHomewardError(error);
      } finally {
        db?.close();
      }
    },
  };
}
