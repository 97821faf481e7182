import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { HomewardError } from "../../common/errors.ts";
import type { BlobRef } from "../../protocol/machine.ts";
import { syncDir } from "./durable.ts";
import type { StatePaths } from "./paths.ts";

/** As in the machine definition's schema. */
const MAX_BLOB_BYTES = 1024 * 1024 * 1024;

/**
 * Copies a file into the store of files that are named by their content.
 * @param expected what it must be; null takes it as it is
 * @throws DAMAGED if it is something else, NOT_FOUND, USAGE if it is empty or larger than 1 GiB
 */
export async function addBlob(paths: StatePaths, from: string, expected: BlobRef | null): Promise<BlobRef> {
  const { size } = await stat(from);
  if (size === 0 || size > MAX_BLOB_BYTES)
    throw new HomewardError("USAGE", `${from} has ${size} bytes; 1 byte to 1 GiB is possible`);
  const temporary = `${paths.blob("new")}-${process.pid}-${performance.now()}`;
  const hash = createHash("sha256");
  let bytes = 0;
  const to = await open(temporary, "wx", 0o600);
  try {
    for await (const chunk of createReadStream(from, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
      await to.writeFile(chunk);
    }
    const sha256 = hash.digest("hex");
    if (expected !== null && (sha256 !== expected.sha256 || bytes !== expected.bytes))
      throw new HomewardError("DAMAGED", `${from} is not the file that belongs here`, {
        data: { expected: expected.sha256, actual: sha256 },
      });
    await to.chmod(0o400);
    await to.sync();
    await rename(temporary, paths.blob(sha256));
    await syncDir(paths.blobs);
    return { sha256, bytes };
  } finally {
    await to.close();
    await rm(temporary, { force: true });
  }
}

/** Removes every file that is not one of `wanted`. To be called while none is being added. */
export async function keepOnlyBlobs(paths: StatePaths, wanted: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(paths.blobs)) if (!wanted.has(name)) await rm(paths.blob(name), { force: true });
}
