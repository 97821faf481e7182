import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import { upgradeSchema } from "./schema.ts";

export type Row = Readonly<Record<string, SQLOutputValue>>;

/**
 * The service's database. Calls are synchronous on purpose: they are few (one for each change of a workspace's state),
 * and what follows a call relies on it being on disk. The input log, which is written all the time, is not in here.
 */
export class Database {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #inTransaction = false;

  /** @param path file, or ":memory:" in tests */
  constructor(path: string) {
    this.#db = new DatabaseSync(path);
    this.#db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
    upgradeSchema(this.#db);
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  /** Runs a statement; returns the number of rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  get(sql: string, ...values: SQLInputValue[]): Row | null {
    return this.#prepare(sql).get(...values) ?? null;
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#prepare(sql).all(...values);
  }

  /** Runs `work` so that all of it is on disk when this returns, or none. Nested calls join the outer one. */
  transaction<T>(work: () => T): T {
    if (this.#inTransaction) return work();
    this.#db.exec("BEGIN IMMEDIATE");
    this.#inTransaction = true;
    try {
      const result = work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      // After some failures, a full disk among them, SQLite has rolled back by itself.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw toHomewardError(error);
    } finally {
      this.#inTransaction = false;
    }
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }
}

/** @throws DAMAGED if the column does not hold text */
export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new HomewardError("DAMAGED", `the database holds no text in ${column}`);
  return value;
}

export function textOrNull(row: Row, column: string): string | null {
  return row[column] === null ? null : text(row, column);
}

/** @throws DAMAGED if the column holds anything but a number or null */
export function numberOrNull(row: Row, column: string): number | null {
  const value = row[column] ?? null;
  if (value !== null && typeof value !== "number")
    throw new HomewardError("DAMAGED", `the database holds no number in ${column}`);
  return value;
}

export function now(): string {
  return new Date().toISOString();
}
