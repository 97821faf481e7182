import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { claimBuildDir, defaultCacheDir, guestDir, isComplete, processStart, publish } from "../../guests/cache.ts";
import { copyTree, listFiles } from "../../guests/tree.ts";

const FILES = ["disk.qcow2", "kernel", "initrd", "guest.json"];

async function fill(dir: string, content = "x"): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const file of FILES) await writeFile(join(dir, file), content);
}

describe("defaultCacheDir", () => {
  it("prefers Homeward's own variable, then the desktop's, then the home folder", () => {
    expect(defaultCacheDir({ HOMEWARD_CACHE: "/a", XDG_CACHE_HOME: "/b" })).toBe("/a");
    expect(defaultCacheDir({ XDG_CACHE_HOME: "/b" })).toBe("/b/homeward");
    expect(defaultCacheDir({})).toMatch(/\/\.cache\/homeward$/);
  });
});

describe("the guest cache", () => {
  let cache: string;
  let dir: string;
  beforeEach(async () => {
    cache = await mkdtemp(join(tmpdir(), "homeward-cache-"));
    dir = guestDir(cache, "tiny", "0123456789abcdef");
  });
  afterEach(async () => {
    await rm(cache, { recursive: true });
  });

  it("takes a folder for a guest only if all files are there", async () => {
    expect(await isComplete(dir)).toBe(false);
    await fill(dir);
    expect(await isComplete(dir)).toBe(true);
    await rm(join(dir, "initrd"));
    expect(await isComplete(dir)).toBe(false);
  });

  it("gives a folder to build in and shows the result under its name", async () => {
    const building = await claimBuildDir(dir);
    if (building === undefined) throw new Error("no folder to build in");
    await fill(join(building, "guest"));
    expect(await isComplete(dir)).toBe(false);
    await publish(join(building, "guest"), dir);
    expect((await readdir(dir)).sort()).toEqual([...FILES].sort());
  });

  it("does not replace a guest that someone else completed, but does replace a damaged one", async () => {
    await fill(join(cache, "mine"), "mine");
    await fill(dir, "theirs");
    await publish(join(cache, "mine"), dir);
    expect(await readdir(cache)).toContain("mine");
    await rm(join(dir, "kernel"));
    await publish(join(cache, "mine"), dir);
    expect(await readdir(cache)).not.toContain("mine");
    expect(await isComplete(dir)).toBe(true);
  });

  it("lets a second build wait for the first and take what it made", async () => {
    const first = await claimBuildDir(dir);
    const second = claimBuildDir(dir);
    await fill(dir);
    await rm(first ?? "", { recursive: true });
    expect(await second).toBeUndefined();
    expect(await readdir(dirname(dir))).toEqual([basename(dir)]);
  });

  it("lets a second build go on when the first has failed", async () => {
    const first = await claimBuildDir(dir);
    const second = claimBuildDir(dir);
    await rm(first ?? "", { recursive: true });
    expect(await second).not.toBe(first);
    expect(await readdir(dirname(dir))).toEqual([basename((await second) ?? "")]);
  });

  it("stops waiting when told to, and leaves nothing", async () => {
    const first = await claimBuildDir(dir);
    await expect(claimBuildDir(dir, AbortSignal.timeout(50))).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await readdir(dirname(dir))).toEqual([basename(first ?? "")]);
  });

  it("removes what a dead builder left, also if its process number is in use again", async () => {
    const dead = `${dir}.building-000000000000001-1-${process.pid}-1`;
    await fill(dead);
    const building = await claimBuildDir(dir);
    expect(await readdir(dirname(dir))).toEqual([basename(building ?? "")]);
  });

  it("knows when a process started, and that there is no process 0", async () => {
    expect(await processStart(process.pid)).toMatch(/^\d+$/);
    expect(await processStart(0)).toBeUndefined();
  });

  it("copies a recipe's files with all folders in between", async () => {
    await mkdir(join(cache, "from/a/b"), { recursive: true });
    await writeFile(join(cache, "from/a/b/run"), "", { mode: 0o700 });
    await copyTree(join(cache, "from"), join(cache, "to"));
    expect(await listFiles(join(cache, "to"))).toEqual(["a/b/run"]);
    expect(await listFiles(join(cache, "nowhere"))).toEqual([]);
  });
});
