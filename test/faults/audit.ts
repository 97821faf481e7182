import { readFile, readdir, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { run } from "../../common/spawn.ts";
import { noProgress } from "../../common/progress.ts";
import { chainName, compareDisks } from "../../demo/verify/compare-disks.ts";
import { compareFiles } from "../../demo/verify/compare-files.ts";

/**
 * What lies in a host's state folder, read from its files and from /proc alone: nothing here asks a service, and nothing of
 * the service's code is used.
 */
export interface HostRecord {
  /** Null: this host. */
  readonly owner: string | null;
  readonly state: string;
  readonly resumeFrom: string;
  readonly base: string | null;
  readonly note: string | null;
  readonly workspaceId: string;
  readonly diskBytes: number;
  /** The newest migration that it knows; null before the first. */
  readonly migration: { readonly id: string; readonly role: string; readonly state: string } | null;
  readonly unfinished: number;
  readonly generations: readonly string[];
  /** Migrations of which it may be told what they sent: both of their generations are here. */
  readonly explainable: readonly string[];
  readonly layers: readonly string[];
  /** Of the workspace's disk under its overlay, top first. */
  readonly below: readonly string[];
}

function names(db: DatabaseSync, sql: string, ...values: string[]): string[] {
  return db.prepare(sql).all(...values).map((row) => String(Object.values(row)[0]));
}

/** @throws Error if the database is busy or has no workspace of that name */
export function readRecord(state: string, workspace: string): HostRecord {
  const db = new DatabaseSync(join(state, "homeward.db"), { readOnly: true, timeout: 5000 });
  try {
    // One moment, whatever the service writes meanwhile.
    db.exec("BEGIN");
    const row = db.prepare("SELECT * FROM workspaces WHERE name = ?").get(workspace);
    if (row === undefined) throw new Error(`${state} has no ${workspace}`);
    const newest = db.prepare("SELECT id, role, state FROM migrations ORDER BY rowid DESC LIMIT 1").get();
    return {
      owner: row["owner"] as string | null,
      state: String(row["state"]),
      resumeFrom: String(row["resume_from"]),
      base: row["base"] as string | null,
      note: row["note"] as string | null,
      workspaceId: String(row["id"]),
      diskBytes: (JSON.parse(String(row["machine"])) as { diskBytes: number }).diskBytes,
      migration:
        newest === undefined
          ? null
          : { id: String(newest["id"]), role: String(newest["role"]), state: String(newest["state"]) },
      unfinished: Number(
        names(db, "SELECT count(*) FROM migrations WHERE state NOT IN ('done', 'cancelled', 'dropped')")[0],
      ),
      generations: names(db, "SELECT root FROM generations"),
      explainable: names(
        db,
        `SELECT id FROM migrations WHERE report IS NOT NULL AND json_extract(report, '$.base_root') IN (SELECT root FROM generations)
           AND json_extract(report, '$.root_source') IN (SELECT root FROM generations)`,
      ),
      layers: names(db, "SELECT id FROM layers"),
      below: names(db, "SELECT layer FROM workspace_layers WHERE workspace = ? ORDER BY position", workspace),
    };
  } finally {
    db.close();
  }
}

/** Whether a host may run the workspace (docs/on-disk.md, "Who may run it"): a release outweighs the workspace's row. */
export function mayRun({ owner, migration }: HostRecord): boolean {
  return owner === null && !(migration?.role === "source" && (migration.state === "released" || migration.state === "done"));
}

/** Where the complete state of a workspace is that stands still. Paths; layers top first. */
export interface StateFiles {
  readonly ram: string;
  readonly device: string;
  readonly layers: readonly string[];
  readonly diskBytes: number;
}

export function stateFiles(state: string, workspace: string, record: HostRecord, what: "saved" | "generation"): StateFiles {
  const { diskBytes, base } = record;
  const layer = (id: string): string => join(state, "layers", `${id}.qcow2`);
  const own = join(state, "workspaces", workspace);
  if (what === "saved") {
    const layers = [join(own, "disk.qcow2"), ...record.below.map(layer)];
    return { ram: join(own, "suspended", "ram"), device: join(own, "suspended", "device"), layers, diskBytes };
  }
  if (base === null) throw new Error(`${state} has no generation of ${workspace}`);
  const db = new DatabaseSync(join(state, "homeward.db"), { readOnly: true, timeout: 5000 });
  const layers = names(db, "SELECT layer FROM generation_layers WHERE root = ? ORDER BY position", base).map(layer);
  db.close();
  const dir = join(state, "generations", base);
  return { ram: join(dir, "ram"), device: join(dir, "device"), layers, diskBytes };
}

/** A copy of a state that nothing of the hosts touches. */
export async function copyState(files: StateFiles, to: string): Promise<StateFiles> {
  const copy = { ram: `${to}.ram`, device: `${to}.device`, layers: [`${to}.qcow2`], diskBytes: files.diskBytes };
  await run("cp", ["--sparse=always", "--", files.ram, copy.ram]);
  await run("cp", ["--", files.device, copy.device]);
  await run("qemu-img", ["convert", "-U", "-O", "qcow2", chainName(files.layers), copy.layers[0] ?? ""]);
  return copy;
}

/** What differs between two states, byte for byte; empty if nothing does. */
export async function differences(a: StateFiles, b: StateFiles): Promise<string[]> {
  const { signal } = new AbortController();
  const ram = await compareFiles(a.ram, b.ram, "memory", noProgress, signal);
  const device = await compareFiles(a.device, b.device, "devices", noProgress, signal);
  const disk = await compareDisks(a.layers, b.layers, a.diskBytes, noProgress, signal);
  return [
    ...(ram.identical ? [] : [`memory differs at ${String(ram.firstDifference)}`]),
    ...(device.identical ? [] : [`device state differs at ${String(device.firstDifference)}`]),
    ...(disk.identical ? [] : [`disk: ${disk.said}`]),
  ];
}

const OWN_FILES = /^(?:disk\.qcow2|input-log\.db(?:-wal|-shm)?|input-log\.db\.damaged(?:-wal)?|console\.sock|suspended|suspended\/ram|suspended\/device)$/;

/** Files that nothing accounts for, once everything is over and tidied up. */
export async function leftovers(state: string, workspace: string, record: HostRecord): Promise<string[]> {
  const found: string[] = [];
  const check = async (folder: string, isKnown: (name: string) => boolean, recursive = false): Promise<void> => {
    for (const name of await readdir(join(state, folder), { recursive }))
      if (!isKnown(name)) found.push(join(folder, name));
  };
  await check("incoming", () => false);
  await check("layers", (name) => record.layers.includes(name.replace(/\.qcow2$/, "")));
  await check("generations", (name) => record.generations.includes(name));
  await check("workspaces", (name) => name === workspace);
  const isSaved = record.owner === null && record.state === "suspended" && record.resumeFrom === "saved";
  await check(
    join("workspaces", workspace),
    (name) => OWN_FILES.test(name) && (isSaved || !name.startsWith("suspended")) && !(record.owner !== null && name === "disk.qcow2"),
    true,
  );
  await check("blobs", (name) => /^[0-9a-f]{64}$/.test(name));
  await check("shipped", (name) => record.explainable.includes(name));
  await check("keys", (name) => /^[0-9a-f]{8}-[0-9a-f]{64}$/.test(name));
  await check(".", (name) =>
    /^(?:homeward\.db(?:-wal|-shm)?|(?:control|peers)\.sock|service\.lock|service\.log(?:\.1)?|identity\.pem|pages\.(?:json|html)|blobs|layers|generations|workspaces|incoming|keys|shipped)$/.test(name),
  );
  for (const root of record.generations)
    await check(join("generations", root), (name) => /^(?:generation\.json|ram|device|(?:ram|disk)\.(?:tree|hashes)|checked)$/.test(name));
  for (const id of record.layers) await stat(join(state, "layers", `${id}.qcow2`)).catch(() => found.push(`no file of layer ${id}`));
  return found;
}

export interface ProcessFound {
  readonly pid: number;
  readonly args: readonly string[];
}

/** Every process that can be seen and is not one of `known`. */
export async function processes(known: ReadonlySet<number>): Promise<ProcessFound[]> {
  const found: ProcessFound[] = [];
  for (const name of await readdir("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || known.has(pid)) continue;
    const args = (await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "")).split("\0").slice(0, -1);
    // Kernel threads and zombies have no arguments.
    if (args.length > 0) found.push({ pid, args });
  }
  return found;
}

/** Descriptors that a process has open, each with where it leads. */
export async function descriptors(pid: number): Promise<string[]> {
  const dir = `/proc/${String(pid)}/fd`;
  const all = await readdir(dir).catch(() => []);
  return Promise.all(all.map((fd) => readlink(join(dir, fd)).catch(() => "")));
}
