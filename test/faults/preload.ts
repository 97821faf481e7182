import { fstatSync, linkSync, lstatSync, readFileSync, readdirSync, readlinkSync, renameSync, appendFileSync } from "node:fs";
import fs from "node:fs";
import { open } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { DatabaseSync, StatementSync } from "node:sqlite";
import { isMainThread } from "node:worker_threads";
import { ASIDE, type SyncRecord } from "./aside.ts";

/**
 * Loaded into a service before anything of it (`node --import`), so that tests can stop it exactly where they want to, set
 * its clock, and know what it has synced. The service itself has no part in this and runs as it always does.
 */
const dir = process.env["FAULTS_ASIDE"] ?? "";

// Stops this process, all threads of it, at the moment when a migration's state has become durable, before anything follows.
let isChanged = false;
// eslint-disable-next-line @typescript-eslint/unbound-method -- called with the object that it was called on
const [run, exec] = [StatementSync.prototype.run, DatabaseSync.prototype.exec];
const openDatabase = new Set<DatabaseSync>();

function stopIfReached(db: DatabaseSync): void {
  if (!isChanged || db.isTransaction) return;
  isChanged = false;
  let wanted: string;
  try {
    wanted = readFileSync(join(dir, ASIDE.arm), "utf8");
  } catch {
    return;
  }
  const row = db.prepare("SELECT role, state FROM migrations ORDER BY rowid DESC LIMIT 1").get();
  if (row === undefined || wanted !== `${String(row["role"])}:${String(row["state"])}`) return;
  try {
    renameSync(join(dir, ASIDE.arm), join(dir, ASIDE.hit));
  } catch {
    // It is too late: the test has waited long enough.
    return;
  }
  process.kill(process.pid, "SIGSTOP");
}

StatementSync.prototype.run = function (this: StatementSync, ...values: never[]) {
  const result = Reflect.apply(run, this, values) as ReturnType<typeof run>;
  if (/\bmigrations\b/.test(this.sourceSQL)) isChanged = true;
  for (const db of openDatabase) stopIfReached(db);
  return result;
};
DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
  exec.call(this, sql);
  // The database of input logs belongs to a worker thread.
  if (isMainThread) openDatabase.add(this);
  stopIfReached(this);
};

// The clock is set: Date is the only one that the service reads which can be.
let aheadMs = 0;
const RealDate = Date;
globalThis.Date = new Proxy(RealDate, {
  construct: (target, args: unknown[], created) =>
    Reflect.construct(target, args.length > 0 ? args : [RealDate.now() + aheadMs], created) as object,
  get: (target, name, receiver) =>
    name === "now" ? () => RealDate.now() + aheadMs : (Reflect.get(target, name, receiver) as unknown),
});
if (isMainThread)
  process.on("SIGUSR2", () => {
    aheadMs = Number(readFileSync(join(dir, ASIDE.clock), "utf8"));
  });

// What was synced, and a second name for it, so that a power cut can be made of it; see power-cut.ts.
function keep(path: string, ino: bigint): void {
  try {
    linkSync(path, join(dir, ASIDE.inodes, String(ino)));
  } catch {
    // It has its second name already, or was renamed under our hands and gets one with its folder.
  }
}

function noteSync(fd: number): void {
  try {
    const found = fstatSync(fd, { bigint: true });
    const path = readlinkSync(`/proc/self/fd/${String(fd)}`);
    const record: SyncRecord = { ino: String(found.ino), changed: String(found.mtimeNs) };
    if (found.isFile()) keep(path, found.ino);
    else if (found.isDirectory()) {
      record.entries = {};
      for (const name of readdirSync(path)) {
        const entry = lstatSync(join(path, name), { bigint: true });
        if (entry.isFile()) keep(join(path, name), entry.ino);
        if (entry.isFile() || entry.isDirectory()) record.entries[name] = String(entry.ino);
      }
    }
    appendFileSync(join(dir, ASIDE.syncs), `${JSON.stringify(record)}\n`);
  } catch {
    // A full disk: there is no power cut in the same moment.
  }
}

const handle = await open(import.meta.filename);
const handles = Object.getPrototypeOf(handle) as { sync: () => Promise<void>; datasync: () => Promise<void>; fd: number };
await handle.close();
for (const name of ["sync", "datasync"] as const) {
  const original = handles[name];
  handles[name] = async function (this: typeof handles) {
    await original.call(this);
    noteSync(this.fd);
  };
}
for (const name of ["fsyncSync", "fdatasyncSync"] as const) {
  const original = fs[name];
  fs[name] = (fd) => {
    original(fd);
    noteSync(fd);
  };
}
syncBuiltinESMExports();
