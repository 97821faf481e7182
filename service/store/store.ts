import { chmod, lstat, mkdir } from "node:fs/promises";
import { HomewardError } from "../../common/errors.ts";
import { keepOnlyBlobs } from "./blobs.ts";
import { readBootId } from "./boot-id.ts";
import { Database, now, text, textOrNull } from "./database.ts";
import { GenerationsStore } from "./generations-store.ts";
import { LayersTable } from "./layers-table.ts";
import { takeLock } from "./lock.ts";
import { HoldingsTable } from "./holdings-table.ts";
import { MigrationsTable } from "./migrations-table.ts";
import { PairingsTable } from "./pairings-table.ts";
import { PushesTable } from "./pushes-table.ts";
import { ShippedLists } from "./shipped-lists.ts";
import { StatePaths } from "./paths.ts";
import { WorkspacesTable } from "./workspaces-table.ts";

/** Another host, as it was given on the command line. */
export interface PeerRow {
  readonly name: string;
  readonly address: string;
  readonly lastSeenAt: string | null;
}

/** Everything this host keeps: one folder, one process at a time. */
export class Store {
  readonly paths: StatePaths;
  readonly layers: LayersTable;
  readonly generations: GenerationsStore;
  readonly workspaces: WorkspacesTable;
  readonly migrations: MigrationsTable;
  readonly pairings: PairingsTable;
  readonly pushes: PushesTable;
  readonly holdings: HoldingsTable;
  readonly shipped: ShippedLists;
  /** The computer was started anew since the last service: no process and nothing in a tmpfs is left from then. */
  readonly afterReboot: boolean;
  readonly #db: Database;
  readonly #unlock: () => Promise<void>;

  private constructor(paths: StatePaths, db: Database, unlock: () => Promise<void>, afterReboot: boolean) {
    this.paths = paths;
    this.afterReboot = afterReboot;
    this.#db = db;
    this.#unlock = unlock;
    this.layers = new LayersTable(db);
    this.workspaces = new WorkspacesTable(db);
    this.generations = new GenerationsStore(db, paths, this.layers, this.workspaces);
    this.migrations = new MigrationsTable(db);
    this.pairings = new PairingsTable(db);
    this.pushes = new PushesTable(db);
    this.holdings = new HoldingsTable(db);
    this.shipped = new ShippedLists(paths, this.migrations, this.generations);
  }

  /**
   * Opens the state folder, creating it if it is missing.
   * @param stateDir absolute
   * @throws ENVIRONMENT if others may look into it, CONFLICT if a living service has it or it belongs to another host name
   */
  static async open(stateDir: string, hostName: string): Promise<Store> {
    const paths = new StatePaths(stateDir);
    await requirePrivateDir(stateDir);
    const unlock = await takeLock(paths.lock);
    try {
      for (const folder of paths.folders) await mkdir(folder, { recursive: true, mode: 0o700 });
      const db = new Database(paths.database);
      for (const suffix of ["", "-wal", "-shm"]) await chmod(`${paths.database}${suffix}`, 0o600);
      claim(db, hostName);
      const store = new Store(paths, db, unlock, noteBoot(db, await readBootId()));
      await store.generations.collectGarbage();
      await store.shipped.collectGarbage();
      await keepOnlyBlobs(paths, store.referredBlobs());
      return store;
    } catch (error) {
      await unlock();
      throw error;
    }
  }

  /** Kernels and initrds of every machine that is known here. */
  referredBlobs(): Set<string> {
    const machines = [
      ...this.workspaces.list().map(({ machine }) => machine),
      ...this.generations.roots().map((root) => this.generations.require(root).manifest.machine),
    ];
    return new Set(
      machines.flatMap(({ kernel, initrd }) => [kernel, initrd].flatMap((blob) => (blob === null ? [] : [blob.sha256]))),
    );
  }

  /** Runs `work` so that all its changes are durable when this returns, or none. */
  transaction<T>(work: () => T): T {
    return this.#db.transaction(work);
  }

  setPeer(name: string, address: string): void {
    this.#db.run(
      "INSERT INTO peers (name, address) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET address = excluded.address",
      name,
      address,
    );
  }

  notePeerSeen(name: string): void {
    this.#db.run("UPDATE peers SET last_seen_at = ? WHERE name = ?", now(), name);
  }

  peers(): PeerRow[] {
    return this.#db.all("SELECT * FROM peers ORDER BY name").map((row) => ({
      name: text(row, "name"),
      address: text(row, "address"),
      lastSeenAt: textOrNull(row, "last_seen_at"),
    }));
  }

  async close(): Promise<void> {
    this.#db.close();
    await this.#unlock();
  }
}

/** @throws CONFLICT if the folder belongs to a host of another name */
function claim(db: Database, hostName: string): void {
  const row = db.get("SELECT name FROM host");
  if (row === null) {
    db.run("INSERT INTO host (only, name, created_at) VALUES (1, ?, ?)", hostName, now());
    return;
  }
  const known = text(row, "name");
  if (known !== hostName)
    throw new HomewardError("CONFLICT", `this state folder belongs to the host ${known}, not ${hostName}`, {
      hint: `Start it with --name ${known}, or give another --state folder.`,
    });
}

/** Notes which start of the computer this is; true if it is another one than the last time. */
function noteBoot(db: Database, bootId: string): boolean {
  const row = db.get("SELECT boot_id FROM host");
  const before = row === null ? null : textOrNull(row, "boot_id");
  db.run("UPDATE host SET boot_id = ?", bootId);
  return before !== null && before !== bootId;
}

/**
 * A folder of this user that nobody else may enter; created if missing.
 * @throws ENVIRONMENT if it is somebody else's, not a folder, or open to group or others
 */
export async function requirePrivateDir(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const found = await lstat(path);
  if (!found.isDirectory()) throw new HomewardError("ENVIRONMENT", `${path} is not a folder`);
  if (process.getuid !== undefined && found.uid !== process.getuid())
    throw new HomewardError("ENVIRONMENT", `${path} belongs to another user`);
  if ((found.mode & 0o077) !== 0)
    throw new HomewardError("ENVIRONMENT", `${path} is open to other users`, {
      hint: `chmod 700 ${path}`,
      data: { mode: (found.mode & 0o777).toString(8) },
    });
}
