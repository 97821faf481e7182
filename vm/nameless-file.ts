import { randomUUID } from "node:crypto";
import { open, unlink, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file with this content, open for reading and writing, that nobody can find and that is gone with its last descriptor. */
export async function namelessFile(content: Uint8Array = new Uint8Array()): Promise<FileHandle> {
  const path = join(tmpdir(), `homeward-${randomUUID()}`);
  const file = await open(path, "wx+", 0o600);
  try {
    await unlink(path);
    await file.writeFile(content);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Where a program finds a descriptor that it was started with, or this process one of its own. */
export function descriptorPath(descriptor: number): string {
  return `/proc/self/fd/${descriptor}`;
}
