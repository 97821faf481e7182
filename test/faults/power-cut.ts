import { copyFile, link, lstat, mkdir, open, readFile, readdir, rename, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ASIDE, writeLogNames, type SyncRecord } from "./aside.ts";
import { replayWrites } from "./write-log.ts";

/**
 * What a power cut leaves of a state folder: of each folder its names as they were when it was last synced, or as they are
 * now; of each file that was not synced since it was written nothing, some blocks, or all. SQLite's files are as they are,
 * because SQLite syncs each of its commits; of an image that QEMU writes, every write up to the last flush is there, and
 * some of the later ones.
 */
const SQLITE = /\.db(?:-wal|-shm)?$/;
const BLOCK_BYTES = 4096;

interface Known {
  /** Time of the last change that was synced, of each inode. */
  readonly changed: Map<string, string>;
  /** Names in each folder, by the folder's inode. */
  readonly folders: Map<string, Record<string, string>>;
}

/** Everything that is there now is on disk: from here on it counts what is synced. */
export async function beginWatching(state: string, aside: string): Promise<void> {
  await rm(join(aside, ASIDE.syncs), { force: true });
  // The service goes on adding to it meanwhile.
  await rm(join(aside, ASIDE.inodes), { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  await mkdir(join(aside, ASIDE.inodes), { recursive: true });
  const records: SyncRecord[] = [];
  const visit = async (dir: string): Promise<void> => {
    const at = await lstat(dir, { bigint: true });
    const record: SyncRecord = { ino: String(at.ino), changed: "", entries: {} };
    for (const name of await readdir(dir)) {
      const path = join(dir, name);
      const found = await lstat(path, { bigint: true });
      if (!found.isFile() && !found.isDirectory()) continue;
      (record.entries ??= {})[name] = String(found.ino);
      if (found.isDirectory()) await visit(path);
      else {
        await link(path, join(aside, ASIDE.inodes, String(found.ino))).catch(() => undefined);
        records.push({ ino: String(found.ino), changed: String(found.mtimeNs) });
      }
    }
    records.push(record);
  };
  await visit(state);
  const file = await open(join(aside, ASIDE.syncs), "a");
  await file.writeFile(records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  await file.close();
}

async function readSyncs(aside: string): Promise<Known> {
  const known: Known = { changed: new Map(), folders: new Map() };
  const text = await readFile(join(aside, ASIDE.syncs), "utf8");
  for (const line of text.split("\n").slice(0, -1)) {
    const { ino, changed, entries } = JSON.parse(line) as SyncRecord;
    if (entries === undefined) known.changed.set(ino, changed);
    else known.folders.set(ino, entries);
  }
  return known;
}

/** Puts the folder into the state after a power cut; nothing of its host may run. Returns what was lost, for people. */
export async function cutPower(state: string, aside: string, random: () => number): Promise<string[]> {
  const known = await readSyncs(aside);
  const lost: string[] = [];
  const inode = (ino: string): string => join(aside, ASIDE.inodes, ino);
  const build = async (ino: string, from: string | null, to: string, shown: string): Promise<void> => {
    await mkdir(to, { mode: 0o700 });
    const now: Record<string, string> = {};
    for (const name of from === null ? [] : await readdir(from)) {
      const found = await lstat(join(from ?? "", name), { bigint: true });
      if (found.isFile() || found.isDirectory()) now[name] = String(found.ino);
    }
    const synced = known.folders.get(ino) ?? {};
    const isSame = JSON.stringify(Object.entries(now).sort()) === JSON.stringify(Object.entries(synced).sort());
    const isOld = !isSame && random() < 0.7;
    if (isOld) lost.push(`${shown || "."} is as it was synced`);
    const isFolder = (id: string, path: string | null): Promise<boolean> =>
      known.folders.has(id) ? Promise.resolve(true) : path === null ? Promise.resolve(false) : lstat(path).then((at) => at.isDirectory(), () => false);
    const databases = Object.entries(now).filter(([name]) => SQLITE.test(name));
    const others = Object.entries(isOld ? synced : now).filter(([name]) => !SQLITE.test(name));
    for (const [name, id] of [...databases, ...others]) {
      const here = from !== null && now[name] === id ? join(from, name) : null;
      const target = join(to, name);
      if (await isFolder(id, here)) await build(id, here ?? (await folderOf(state, id)), target, join(shown, name));
      else await file(id, here, target, join(shown, name));
    }
  };
  const file = async (ino: string, here: string | null, to: string, shown: string): Promise<void> => {
    const from = here ?? inode(ino);
    const { mtimeNs, size } = await lstat(from, { bigint: true });
    if (SQLITE.test(to) || known.changed.get(ino) === String(mtimeNs)) {
      await link(from, to);
      return;
    }
    lost.push(`${shown} was not synced`);
    const { log, before } = writeLogNames(ino);
    if (await lstat(join(aside, log)).then(() => true, () => false)) {
      await copyFile(join(aside, before), to);
      await replayWrites(join(aside, log), to, random);
      return;
    }
    const kept = random();
    await copyFile(from, to);
    if (kept < 0.4) await truncate(to, 0);
    else if (kept < 0.8) await loseBlocks(to, Number(size), random);
  };
  const root = String((await lstat(state, { bigint: true })).ino);
  const [cut, dead] = [`${state}.cut`, `${state}.dead`];
  await build(root, state, cut, "");
  await rename(state, dead);
  await rename(cut, state);
  await rm(dead, { recursive: true });
  await startAnew(state);
  return lost;
}

/** A folder that had another name when it was synced. */
async function folderOf(state: string, ino: string): Promise<string | null> {
  for (const entry of await readdir(state, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory() && String((await lstat(path, { bigint: true })).ino) === ino) return path;
  }
  return null;
}

async function loseBlocks(path: string, size: number, random: () => number): Promise<void> {
  const target = await open(path, "r+");
  for (let at = 0; at < size; at += BLOCK_BYTES)
    if (random() < 0.5) await target.write(Buffer.alloc(Math.min(BLOCK_BYTES, size - at)), 0, undefined, at);
  await target.close();
}

/** The computer that has power again is another run of the kernel. */
async function startAnew(state: string): Promise<void> {
  await rm(join(state, "service.lock"), { force: true });
  for (const root of await readdir(join(state, "generations")).catch(() => []))
    await rm(join(state, "generations", root, "checked"), { force: true });
  const db = new DatabaseSync(join(state, "homeward.db"));
  db.prepare("UPDATE host SET boot_id = 'before-the-power-cut'").run();
  db.close();
}
