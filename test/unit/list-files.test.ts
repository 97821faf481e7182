import { chmod, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { filesSchema, MAX_LISTED_FILES } from "../../protocol/control.ts";
import { listFiles } from "../../service/control/list-files.ts";

let dir: string;
const { signal } = new AbortController();
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-files-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

describe("choosing a file of the service's host", () => {
  it("tells folders and disk images, without hidden ones, what else there is, and contents", async () => {
    await mkdir(join(dir, "zoo"));
    await mkdir(join(dir, ".cache"));
    for (const name of ["disk10.qcow2", "disk9.RAW", "notes.txt", ".secret.img", "guest.json"]) await writeFile(join(dir, name), "12345");
    await truncate(join(dir, "disk9.RAW"), 5_000_000_000);
    await symlink(join(dir, "zoo"), join(dir, "link"));
    await symlink(join(dir, "nowhere"), join(dir, "broken.img"));
    const found = await listFiles(dir, signal);
    expect(filesSchema.parse(found)).toEqual({
      dir,
      parent: tmpdir(),
      holds: "guest",
      entries: [
        { name: "link", kind: "folder", bytes: null },
        { name: "zoo", kind: "folder", bytes: null },
        { name: "disk9.RAW", kind: "image", bytes: 5_000_000_000 },
        { name: "disk10.qcow2", kind: "image", bytes: 5 },
      ],
      more: false,
    });
  });

  it("begins at home, and ends at the root", async () => {
    expect((await listFiles(null, signal)).dir).toMatch(/^\//);
    expect(await listFiles("/", signal)).toMatchObject({ dir: "/", parent: null });
    expect((await listFiles(`${dir}/x/..`, signal)).dir).toBe(dir);
  });

  it("never tells all of a huge folder", async () => {
    for (let i = 0; i < MAX_LISTED_FILES + 3; i++) await writeFile(join(dir, `${i}.img`), "");
    const { entries, more } = await listFiles(dir, signal);
    expect([entries.length, more]).toEqual([MAX_LISTED_FILES, true]);
  });

  it("leaves out names that could not be asked for again", async () => {
    await writeFile(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xff]), Buffer.from(".img")]), "");
    expect((await listFiles(dir, signal)).entries).toEqual([]);
  });

  it("says what is wrong with a path", async () => {
    await writeFile(join(dir, "file"), "");
    await expect(listFiles(join(dir, "file"), signal)).rejects.toMatchObject({ code: "USAGE" });
    await expect(listFiles(join(dir, "none"), signal)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await mkdir(join(dir, "shut"));
    await chmod(join(dir, "shut"), 0);
    // Root reads everything.
    if (process.getuid?.() !== 0) await expect(listFiles(join(dir, "shut"), signal)).rejects.toMatchObject({ code: "ENVIRONMENT" });
    await expect(listFiles(dir, AbortSignal.abort())).rejects.toMatchObject({ code: "CANCELLED" });
  });
});
