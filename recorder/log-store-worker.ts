import { closeSync, existsSync, openSync, renameSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { HomewardError, sqliteCode, type ErrorCode } from "../common/errors.ts";
import { LogKeys, SEALED_EXTRA_BYTES } from "./log-keys.ts";
import type { DatabaseRequest, LogStoreFiles, LogStoreReply, LogStoreRequest, StoredSegment } from "./log-store.ts";

/** The thread behind LogStore: one request after the other, each answered when it is on disk. */

/** 1: segments in plain text. */
const SCHEMA_VERSION = 2;
/** sqlite3.h: the low byte of this result code matters here. */
const SQLITE_CONSTRAINT = 19;

function open(path: string): DatabaseSync {
  // SQLite would make the file readable for everybody; its -wal and -shm files take over the mode.
  closeSync(openSync(path, "a", 0o600));
  const db = new DatabaseSync(path, { timeout: 5000 });
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON");
  const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
  if (version > SCHEMA_VERSION)
    throw new HomewardError("INCOMPATIBLE", `the input log ${path} was written by a newer Homeward`);
  db.exec(`BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS segments (
    generation TEXT NOT NULL, seq INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,
    events INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (generation, seq)) STRICT;
    -- What is in plain text is overwritten, and the log known to be unreadable there.
    ${version < SCHEMA_VERSION ? "UPDATE segments SET data = x'';" : ""}
    PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
  if (version < SCHEMA_VERSION) db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  return db;
}

function answer(db: DatabaseSync, request: DatabaseRequest): unknown {
  switch (request.op) {
    case "append": {
      const { seq, firstMs, lastMs, events, data } = request.segment;
      db.prepare("INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?)").run(
        request.generation,
        seq,
        firstMs,
        lastMs,
        events,
        keys.seal(request.generation, seq, data),
      );
      return undefined;
    }
    case "segments": {
      const rows = db
        .prepare(
          `SELECT seq, first_ms AS firstMs, last_ms AS lastMs, events, data FROM segments
           WHERE generation = ? ORDER BY seq`,
        )
        .all(request.generation) as unknown as StoredSegment[];
      // One that does not open is empty, which nobody can decode: the log is damaged there.
      return rows.map((row) => ({ ...row, data: keys.open(request.generation, row.seq, row.data) ?? Buffer.alloc(0) }));
    }
    case "summary":
    case "begin":
      return {
        ...db
          .prepare(
            `SELECT count(*) AS segments, coalesce(sum(max(length(data) - ${SEALED_EXTRA_BYTES}, 0)), 0) AS bytes, coalesce(sum(events), 0) AS events,
               coalesce(min(first_ms), 0) AS firstMs, coalesce(max(last_ms), 0) AS lastMs,
               coalesce(max(seq) + 1, 0) AS nextSeq FROM segments WHERE generation = ?`,
          )
          .get(request.generation),
      };
    case "truncate":
      db.prepare("DELETE FROM segments WHERE generation = ?").run(request.generation);
      db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      // It holds what was typed before, and its generations are not told apart any more.
      for (const suffix of ["", "-wal"]) rmSync(`${path}${ASIDE}${suffix}`, { force: true });
      return undefined;
  }
}

function codeOf(error: unknown): ErrorCode {
  if (error instanceof HomewardError) return error.code;
  if (error instanceof Error) {
    const known = sqliteCode(error);
    if (known !== null) return known;
    if ("errcode" in error && (Number(error.errcode) & 255) === SQLITE_CONSTRAINT) return "CONFLICT";
  }
  const system = (error as NodeJS.ErrnoException | null)?.code;
  if (system === "ENOSPC" || system === "EDQUOT") return "NO_ROOM";
  return system === "ENOENT" || system === "EACCES" ? "ENVIRONMENT" : "INTERNAL";
}

/** Added to the name of a file that was damaged. */
const ASIDE = ".damaged";
const { path, keyPlace } = workerData as LogStoreFiles;
const keys = new LogKeys(keyPlace);
let db: DatabaseSync | undefined;

/** The machine goes on and is recorded, whatever became of the file; only a replay has to end before the damage. */
function beginAnew(generation: string): DatabaseSync {
  try {
    db?.close();
  } catch {
    // It is given up either way.
  }
  db = undefined;
  for (const suffix of ["", "-wal"])
    if (existsSync(path + suffix)) renameSync(path + suffix, `${path}${ASIDE}${suffix}`);
  rmSync(`${path}-shm`, { force: true });
  const fresh = open(path);
  // An empty segment is none that anyone can read: the log of this generation ends where it begins.
  fresh.prepare("INSERT INTO segments VALUES (?, 0, 0, 0, 0, x'')").run(generation);
  return fresh;
}

/** @throws what SQLite throws, or a HomewardError */
function serve(request: DatabaseRequest): unknown {
  // Whatever became of the file.
  if (request.op === "truncate") keys.forget(request.generation);
  try {
    db ??= open(path);
    return answer(db, request);
  } catch (error) {
    const writes = request.op === "begin" || request.op === "append";
    if (!writes || codeOf(error) !== "DAMAGED") throw error;
    db = beginAnew(request.generation);
    return answer(db, request);
  }
}

function perform(request: LogStoreRequest): unknown {
  switch (request.op) {
    case "close":
      db?.close();
      return undefined;
    case "forget-all":
      keys.forgetAll();
      return undefined;
    default:
      return serve(request);
  }
}

parentPort?.on("message", ({ id, ...request }: LogStoreRequest & { id: number }) => {
  let reply: LogStoreReply;
  try {
    reply = { id, result: perform(request) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    reply = { id, code: codeOf(error), message: `the input log ${path}: ${message}` };
  }
  parentPort?.postMessage(reply);
});
