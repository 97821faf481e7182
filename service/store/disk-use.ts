import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { toHomewardError } from "../../common/errors.ts";

/** Unit of st_blocks, whatever the file system's own (stat(2)). */
const STAT_BLOCK_BYTES = 512;

/** Bytes that a file, or a folder with all in it, takes on disk; holes take none. 0 for what is gone. */
export async function bytesOnDisk(path: string): Promise<number> {
  try {
    const found = await lstat(path);
    let bytes = found.blocks * STAT_BLOCK_BYTES;
    if (found.isDirectory()) for (const name of await readdir(path)) bytes += await bytesOnDisk(join(path, name));
    return bytes;
  } catch (error) {
    if (toHomewardError(error).code === "NOT_FOUND") return 0;
    throw error;
  }
}
