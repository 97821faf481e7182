import { opendir, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import { MAX_LISTED_FILES, type FileEntry, type Files } from "../../protocol/control.ts";

/** Entries that are looked at: a folder may hold millions. */
const MAX_READ = 5000;
/** Files that are asked for their length at a time. */
const AT_ONCE = 16;
const IMAGE_NAME = /\.(?:qcow2?|raw|img|vmdk|vdi)$/i;
/** What tells a folder that a workspace can be made of (see create of the control API). */
const MARKS = { "guest.json": "guest", "generation.json": "generation" } as const;

/**
 * Folders and disk images in a folder of this host, names and lengths only. What the service's user may not read stays shut.
 * @param dir absolute; null for the user's home
 * @throws NOT_FOUND, USAGE if it is no folder, ENVIRONMENT if it may not be read, CANCELLED
 */
export async function listFiles(dir: string | null, signal: AbortSignal): Promise<Files> {
  const path = resolve(dir ?? homedir());
  const names: string[] = [];
  let holds: Files["holds"] = null;
  let isCut = false;
  try {
    let read = 0;
    for await (const { name } of await opendir(path)) {
      signal.throwIfAborted();
      if (++read > MAX_READ) {
        isCut = true;
        break;
      }
      if (name === "guest.json" || name === "generation.json") holds = MARKS[name];
      // A name that is not UTF-8 could not be asked for again.
      if (!name.startsWith(".") && !name.includes("\ufffd")) names.push(name);
    }
  } catch (error) {
    throw unreadable(path, error);
  }
  const entries: FileEntry[] = [];
  for (let at = 0; at < names.length; at += AT_ONCE) {
    signal.throwIfAborted();
    for (const entry of await Promise.all(names.slice(at, at + AT_ONCE).map((name) => entryOf(path, name))))
      if (entry !== null) entries.push(entry);
  }
  entries.sort(byKindAndName);
  return {
    dir: path,
    parent: path === "/" ? null : dirname(path),
    holds,
    entries: entries.slice(0, MAX_LISTED_FILES),
    more: isCut || entries.length > MAX_LISTED_FILES,
  };
}

/** Null for what is neither, or cannot be looked at. Links lead to what they stand for. */
async function entryOf(dir: string, name: string): Promise<FileEntry | null> {
  const found = await stat(join(dir, name)).catch(() => null);
  if (found?.isDirectory() === true) return { name, kind: "folder", bytes: null };
  if (found?.isFile() === true && IMAGE_NAME.test(name)) return { name, kind: "image", bytes: found.size };
  return null;
}

function byKindAndName(a: FileEntry, b: FileEntry): number {
  if (a.kind !== b.kind) return a.kind === "folder" ? -1 : 1;
  return a.name.localeCompare(b.name, "en", { numeric: true });
}

function unreadable(path: string, error: unknown): HomewardError {
  const { code } = toHomewardError(error);
  if (error instanceof Error && "code" in error && error.code === "ENOTDIR")
    return new HomewardError("USAGE", `${path} is not a folder`, { cause: error });
  if (code === "NOT_FOUND") return new HomewardError("NOT_FOUND", `there is no folder ${path}`, { cause: error });
  if (code === "ENVIRONMENT")
    return new HomewardError("ENVIRONMENT", `${path} may not be read by the user whose service this is`, {
      cause: error,
      hint: "Move the image to a folder of your own, or allow yourself to read it.",
    });
  return toHomewardError(error);
}
