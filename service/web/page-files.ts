import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { HomewardError, toHomewardError } from "../../common/errors.ts";

/** Where scripts/build-renderer.ts puts the pages. */
export const PAGES_DIR = join(import.meta.dirname, "..", "..", "out", "renderer");

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
};
const MAX_FILES = 100;
const MAX_FILE_BYTES = 8 * 1024 * 1024;

export interface PageFile {
  readonly type: string;
  readonly data: Buffer;
  readonly etag: string;
}

/** By URL path, "/" among them. */
export type PageFiles = ReadonlyMap<string, PageFile>;

/**
 * Reads the pages into memory: what is served is this list, and no request ever becomes a path.
 * @throws ENVIRONMENT if they were not built
 */
export async function readPageFiles(dir: string = PAGES_DIR): Promise<PageFiles> {
  const files = new Map<string, PageFile>();
  for (const name of await namesIn(dir)) {
    const type = CONTENT_TYPES[extname(name)];
    if (type === undefined) continue;
    const data = await readFile(join(dir, name));
    if (files.size >= MAX_FILES || data.length > MAX_FILE_BYTES)
      throw new HomewardError("ENVIRONMENT", `${dir} holds more than Homeward's pages`);
    const etag = `"${createHash("sha256").update(data).digest("base64url").slice(0, 22)}"`;
    files.set(name === "index.html" ? "/" : `/${name}`, { type, data, etag });
  }
  if (files.has("/")) return files;
  throw new HomewardError("ENVIRONMENT", "Homeward's pages were not built", {
    hint: `"node scripts/build-renderer.ts" builds them; "homeward ui" does so by itself.`,
  });
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  } catch (error) {
    if (toHomewardError(error).code === "NOT_FOUND") return [];
    throw error;
  }
}
