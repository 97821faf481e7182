import { z } from "zod";
import { HomewardError } from "../../common/errors.ts";
import { migrationRowSchema, type MigrationRow, type MigrationSummary } from "../../protocol/control.ts";
import { migrationReportSchema, type MigrationMode, type MigrationReport } from "../../protocol/report.ts";
import { numberOrNull, now, stored, storedJson, text, textOrNull, type Database, type Row } from "./database.ts";

/** States in which nothing is left to be done; `unfinished` leaves them out. */
export const FINAL_MIGRATION_STATES = ["done", "cancelled", "dropped"] as const;

export type NewMigration = Omit<MigrationRow, "startedAt" | "updatedAt" | "error" | "root"> & {
  readonly root?: string;
  /** Anything JSON can carry; read back as `data`. */
  readonly data?: unknown;
};

export interface MigrationChange {
  readonly mode?: MigrationMode;
  readonly state?: string;
  readonly root?: string | null;
  readonly error?: string | null;
  readonly data?: unknown;
  readonly report?: MigrationReport;
}

function toRow(row: Row): MigrationRow {
  return stored("migration", migrationRowSchema, {
    id: text(row, "id"),
    workspace: text(row, "workspace"),
    role: text(row, "role"),
    kind: text(row, "kind"),
    peer: text(row, "peer"),
    mode: text(row, "mode"),
    state: text(row, "state"),
    base: text(row, "base"),
    root: textOrNull(row, "root"),
    startedAt: text(row, "started_at"),
    updatedAt: text(row, "updated_at"),
    error: textOrNull(row, "error"),
  });
}

/**
 * Every migration this host takes part in. A change is on disk when the call returns. Their order is that of their rows:
 * clocks are set back.
 */
export class MigrationsTable {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** @throws CONFLICT if the id is known already */
  insert(migration: NewMigration): MigrationRow {
    if (this.get(migration.id) !== null)
      throw new HomewardError("CONFLICT", `migration ${migration.id} is known already`);
    const time = now();
    this.#db.run(
      `INSERT INTO migrations (id, workspace, role, kind, peer, mode, state, base, root, started_at, updated_at, data)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      migration.id,
      migration.workspace,
      migration.role,
      migration.kind,
      migration.peer,
      migration.mode,
      migration.state,
      migration.base,
      migration.root ?? null,
      time,
      time,
      migration.data === undefined ? null : JSON.stringify(migration.data),
    );
    return this.#require(migration.id);
  }

  /** Changes what is given and leaves the rest. @throws NOT_FOUND */
  update(id: string, change: MigrationChange): MigrationRow {
    return this.#db.transaction(() => {
      const before = this.#require(id);
      this.#db.run(
        "UPDATE migrations SET mode = ?, state = ?, root = ?, error = ?, updated_at = ? WHERE id = ?",
        change.mode ?? before.mode,
        change.state ?? before.state,
        change.root === undefined ? before.root : change.root,
        change.error === undefined ? before.error : (change.error?.slice(0, 4000) ?? null),
        now(),
        id,
      );
      if (change.data !== undefined)
        this.#db.run("UPDATE migrations SET data = ? WHERE id = ?", JSON.stringify(change.data), id);
      if (change.report !== undefined)
        this.#db.run("UPDATE migrations SET report = ? WHERE id = ?", JSON.stringify(change.report), id);
      return this.#require(id);
    });
  }

  get(id: string): MigrationRow | null {
    const row = this.#db.get("SELECT * FROM migrations WHERE id = ?", id);
    return row === null ? null : toRow(row);
  }

  #require(id: string): MigrationRow {
    const row = this.get(id);
    if (row === null) throw new HomewardError("NOT_FOUND", `there is no migration ${id}`);
    return row;
  }

  /** What `data` was last; the caller checks its shape. Null if there is none. */
  data(id: string): unknown {
    const row = this.#db.get("SELECT data FROM migrations WHERE id = ?", id);
    return row === null || textOrNull(row, "data") === null ? null : storedJson(row, "data", z.unknown());
  }

  report(id: string): MigrationReport | null {
    const row = this.#db.get("SELECT report FROM migrations WHERE id = ?", id);
    return row === null || textOrNull(row, "report") === null ? null : storedJson(row, "report", migrationReportSchema);
  }

  /** Id of the newest migration that has a report. */
  newestReported(): string | null {
    const row = this.#db.get(
      "SELECT id FROM migrations WHERE report IS NOT NULL ORDER BY rowid DESC LIMIT 1",
    );
    return row === null ? null : text(row, "id");
  }

  /** Newest first, each with the two figures of its report. */
  summaries(limit = 200): MigrationSummary[] {
    return this.#db
      .all(
        `SELECT *, json_extract(iif(json_valid(report), report, NULL), '$.bytes.total') AS bytes,
           json_extract(iif(json_valid(report), report, NULL), '$.phases.click_to_usable_s') AS seconds
         FROM migrations ORDER BY rowid DESC LIMIT ?`,
        limit,
      )
      .map((row) => ({ ...toRow(row), bytes: numberOrNull(row, "bytes"), seconds: numberOrNull(row, "seconds") }));
  }

  /** The report of the newest migration of a workspace that has one. */
  lastMove(workspace: string): MigrationReport | null {
    const row = this.#db.get(
      `SELECT id FROM migrations WHERE workspace = ? AND kind = 'migration' AND report IS NOT NULL
       ORDER BY rowid DESC LIMIT 1`,
      workspace,
    );
    return row === null ? null : this.report(text(row, "id"));
  }

  /** Reports of the newest moves of a workspace between this host and `peer`, either way, newest first. */
  reportsWith(workspace: string, peer: string, limit: number): MigrationReport[] {
    return this.#db
      .all(
        `SELECT report FROM migrations WHERE workspace = ? AND peer = ? AND kind = 'migration' AND report IS NOT NULL
         ORDER BY started_at DESC, rowid DESC LIMIT ?`,
        workspace,
        peer,
        limit,
      )
      .map((row) => migrationReportSchema.parse(JSON.parse(text(row, "report"))));
  }

  /** Hosts that held a generation at the end of a migration that began or ended with it, or of a rehearsal from it. */
  holders(root: string): string[] {
    return this.#db
      .all(
        `SELECT DISTINCT peer FROM migrations
         WHERE state = 'done' AND (base = ? OR (root = ? AND kind = 'migration')) ORDER BY peer LIMIT 100`,
        root,
        root,
      )
      .map((row) => text(row, "peer"));
  }

  /** Newest first. */
  list(limit = 200): MigrationRow[] {
    return this.#db
      .all("SELECT * FROM migrations ORDER BY rowid DESC LIMIT ?", limit)
      .map(toRow);
  }

  /**
   * For each other host that this workspace was moved to or from, or tried to: the newest migration that was carried
   * through, and the newest that was not. Both hosts had the `base` of either, and have the `root` of the former.
   */
  newestWithEach(workspace: string): MigrationRow[] {
    // A column beside max() is taken from the row that has it (sqlite.org/lang_select.html, bare columns).
    return this.#db
      .all("SELECT *, max(rowid) FROM migrations WHERE workspace = ? GROUP BY peer, state = 'done'", workspace)
      .map(toRow);
  }

  /** Those that a stop or a crash may have cut off, oldest first. */
  unfinished(): MigrationRow[] {
    const marks = FINAL_MIGRATION_STATES.map(() => "?").join(", ");
    return this.#db
      .all(`SELECT * FROM migrations WHERE state NOT IN (${marks}) ORDER BY rowid`, ...FINAL_MIGRATION_STATES)
      .map(toRow);
  }
}
