import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from "node:sqlite";
import type { z } from "zod";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import { upgradeSchema } from "./schema.ts";

export type Row = Readonly<Record<string, SQLOutputValue>>;

/**
 * For programs that only look into the file, such as the doctor: with nobody else there they put in order what a service that
 * was killed left, and keep others out meanwhile.
 */
const BUSY_MS = 10_000;

/**
 * The service's database. Calls are synchronous on purpose: they are few (one for each change of a workspace's state),
 * and what follows a call relies on it being on disk. The input log, which is written all the time, is not in here.
 */
export class Database {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #inTransaction = false;

  /** @param path file, or ":memory:" in tests. @throws DAMAGED, ENVIRONMENT if a newer Homeward wrote it, NO_ROOM */
  constructor(path: string) {
    this.#db = new DatabaseSync(path, { timeout: BUSY_MS });
    try {
      this.#db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
      upgradeSchema(this.#db);
    } catch (error) {
      // Its locks would keep the next one out.
      this.#db.close();
      throw asDamage(error);
    }
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#compile(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #compile(sql: string): StatementSync {
    try {
      return this.#db.prepare(sql);
    } catch (error) {
      throw asDamage(error);
    }
  }

  /** Runs a statement; returns the number of rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  get(sql: string, ...values: SQLInputValue[]): Row | null {
    return readable(() => this.#prepare(sql).get(...values) ?? null);
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return readable(() => this.#prepare(sql).all(...values));
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

/** No number that this program stores is beyond what a number can say. @throws DAMAGED at one that is */
function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new HomewardError("DAMAGED", "the database holds an impossible number", { cause: error });
  }
}

/** Statements are this program's own: one that does not fit the tables (SQLITE_ERROR) finds others than it made. */
function asDamage(error: unknown): HomewardError {
  const known = toHomewardError(error);
  const misfit = error instanceof Error && "errcode" in error && error.errcode === 1;
  if (known.code !== "INTERNAL" || !misfit) return known;
  return new HomewardError("DAMAGED", `the database is damaged: ${known.message}`, { cause: error });
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

/** What the schema makes of a value that was stored. @throws DAMAGED if it is none of that kind */
export function stored<T>(what: string, schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new HomewardError("DAMAGED", `the database holds no valid ${what}`, { cause: parsed.error });
}

/** The same for a column of JSON. @throws DAMAGED */
export function storedJson<T>(row: Row, column: string, schema: z.ZodType<T>): T {
  const json = text(row, column);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new HomewardError("DAMAGED", `the database holds no JSON in ${column}`, { cause });
  }
  return stored(column, schema, value);
}

/** @throws DAMAGED if the column does not hold a number */
export function number(row: Row, column: string): number {
  const value = numberOrNull(row, column);
  if (value === null) throw new HomewardError("DAMAGED", `the database holds no number in ${column}`);
  return value;
}

export function now(): string {
  return new Date().toISOString();
}
