import { appendFile, lstat, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ASIDE, type SyncRecord } from "../faults/aside.ts";
import { beginWatching, cutPower } from "../faults/power-cut.ts";
import { replayWrites } from "../faults/write-log.ts";

let dir: string;
let state: string;
let aside: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-cut-"));
  [state, aside] = [join(dir, "state"), join(dir, "aside")];
  for (const folder of [aside, join(state, "generations")]) await mkdir(folder, { recursive: true });
  const db = new DatabaseSync(join(state, "homeward.db"));
  db.exec("CREATE TABLE host (boot_id TEXT); INSERT INTO host VALUES ('now')");
  db.close();
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

/** As the module that a service is run with notes an fsync. */
async function synced(path: string): Promise<void> {
  const found = await lstat(path, { bigint: true });
  const record: SyncRecord = { ino: String(found.ino), changed: String(found.mtimeNs) };
  if (found.isDirectory()) {
    record.entries = {};
    for (const name of await readdir(path)) record.entries[name] = String((await lstat(join(path, name), { bigint: true })).ino);
  }
  await appendFile(join(aside, ASIDE.syncs), `${JSON.stringify(record)}\n`);
}

/** Everything that may be lost is. */
const unlucky = (): number => 0;

describe("a power cut that tests make", () => {
  it("takes what was not synced, and nothing else", async () => {
    await mkdir(join(state, "old"));
    await writeFile(join(state, "old", "kept"), "kept");
    await beginWatching(state, aside);
    await writeFile(join(state, "unsynced"), "x");
    await mkdir(join(state, "new"));
    await writeFile(join(state, "new", "whole"), "whole");
    await writeFile(join(state, "new", "empty"), "x");
    await synced(join(state, "new", "whole"));
    await synced(join(state, "new"));
    await rename(join(state, "old", "kept"), join(state, "new", "late"));
    await synced(join(state));
    await writeFile(join(state, "afterwards"), "x");
    const lost = await cutPower(state, aside, unlucky);
    expect((await readdir(state)).sort()).toEqual(["generations", "homeward.db", "new", "old", "unsynced"]);
    expect((await readdir(join(state, "new"))).sort()).toEqual(["empty", "whole"]);
    expect(await readFile(join(state, "new", "whole"), "utf8")).toBe("whole");
    for (const path of ["unsynced", "new/empty"]) expect(await readFile(join(state, path), "utf8")).toBe("");
    // The file has the name that was synced, and its content.
    expect(await readFile(join(state, "old", "kept"), "utf8")).toBe("kept");
    expect(lost).toHaveLength(5);
  });

  it("leaves everything where everything was synced, in another run of the kernel", async () => {
    await writeFile(join(state, "kept"), "kept");
    await beginWatching(state, aside);
    expect(await cutPower(state, aside, unlucky)).toEqual([]);
    expect(await readFile(join(state, "kept"), "utf8")).toBe("kept");
    const db = new DatabaseSync(join(state, "homeward.db"));
    expect(db.prepare("SELECT boot_id FROM host").get()).toEqual({ boot_id: "before-the-power-cut" });
    db.close();
  });

  it("of an image has every write up to the last flush", async () => {
    const [log, image] = [join(dir, "log"), join(dir, "image")];
    const entry = (sector: number, sectors: number, flags: number, data: string): Buffer => {
      const head = Buffer.alloc(512);
      for (const [index, value] of [sector, sectors, flags, data.length * 512].entries())
        head.writeBigUInt64LE(BigInt(value), index * 8);
      return Buffer.concat([head, ...data.split("").map((letter) => Buffer.alloc(512, letter))]);
    };
    const head = Buffer.alloc(512);
    head.writeBigUInt64LE(0x6a736677736872n, 0);
    head.writeUInt32LE(512, 24);
    await writeFile(image, Buffer.alloc(4 * 512, "-"));
    const writes = [entry(0, 1, 0, "a"), entry(1, 2, 0, "bc"), entry(0, 0, 1, ""), entry(3, 1, 0, "d"), entry(0, 1, 0, "e").subarray(0, 700)];
    await writeFile(log, Buffer.concat([head, ...writes]));
    expect(await replayWrites(log, image, unlucky)).toBe(1);
    const text = (await readFile(image, "latin1")).replaceAll(/(.)\1{511}/g, "$1");
    expect(text).toBe("abc-");
    expect(await replayWrites(log, image, () => 0.9)).toBe(0);
    expect((await readFile(image, "latin1")).replaceAll(/(.)\1{511}/g, "$1")).toBe("abcd");
  });
});
