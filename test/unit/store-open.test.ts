import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { addBlob } from "../../service/store/blobs.ts";
import { readBootId } from "../../service/store/boot-id.ts";
import { processStartTime } from "../../service/store/lock.ts";
import { Store } from "../../service/store/store.ts";
import { machine, workspace } from "./store-fixtures.ts";

describe("opening a state folder", () => {
  let parent: string;
  let dir: string;
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), "hw-store-"));
    dir = join(parent, "state");
  });
  afterEach(async () => {
    await rm(parent, { recursive: true, force: true });
  });

  const lockFile = (): string => join(dir, "service.lock");

  it("makes it for its user only", async () => {
    const store = await Store.open(dir, "alpha");
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(dir)) {
      const { mode } = await stat(join(dir, name));
      expect([name, mode & 0o077]).toEqual([name, 0]);
    }
    await store.close();
    expect(await readdir(dir)).not.toContain("service.lock");
  });

  it("refuses one that others can look into, a link, and a file", async () => {
    await mkdir(dir, { mode: 0o700 });
    await chmod(dir, 0o750);
    await expect(Store.open(dir, "alpha")).rejects.toMatchObject({ code: "ENVIRONMENT", hint: `chmod 700 ${dir}` });
    await chmod(dir, 0o700);
    await symlink(dir, join(parent, "link"));
    await expect(Store.open(join(parent, "link"), "alpha")).rejects.toMatchObject({ code: "ENVIRONMENT" });
    await writeFile(join(parent, "file"), "");
    await expect(Store.open(join(parent, "file"), "alpha")).rejects.toBeInstanceOf(Error);
  });

  it("is for one living service at a time", async () => {
    const store = await Store.open(dir, "alpha");
    await expect(Store.open(dir, "alpha")).rejects.toMatchObject({ code: "CONFLICT", data: { pid: process.pid } });
    await store.close();
    await (await Store.open(dir, "alpha")).close();
  });

  it("waits for somebody who only looks, and puts in order what a killed service left", async () => {
    await (await Store.open(dir, "alpha")).close();
    const looking = new Worker(
      `const { workerData: path, parentPort } = require("node:worker_threads");
      const { DatabaseSync } = require("node:sqlite");
      const db = new DatabaseSync(path);
      db.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
      parentPort.postMessage("locked");
      setTimeout(() => db.close(), 500);`,
      { eval: true, workerData: join(dir, "homeward.db") },
    );
    const gone = once(looking, "exit");
    await once(looking, "message");
    await (await Store.open(dir, "alpha")).close();
    await gone;
  });

  it.each(["dead", "another process of that number", "a process before the computer was restarted", "damaged"])("takes over a lock that is %s", async (what) => {
    await (await Store.open(dir, "alpha")).close();
    const bootId = await readBootId();
    const startTime = (await processStartTime(process.pid)) ?? "";
    const content = {
      dead: JSON.stringify({ pid: 2 ** 22 + 1, startTime: "1", bootId }),
      "another process of that number": JSON.stringify({ pid: process.pid, startTime: `${startTime}0`, bootId }),
      "a process before the computer was restarted": JSON.stringify({ pid: process.pid, startTime, bootId: "another" }),
      damaged: "{",
    }[what];
    await writeFile(lockFile(), content ?? "");
    const store = await Store.open(dir, "alpha");
    expect(JSON.parse(await readFile(lockFile(), "utf8"))).toEqual({ pid: process.pid, startTime, bootId });
    await store.close();
  });

  it("lets one of many that begin at once have it", async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => Store.open(dir, "alpha")));
    const opened = outcomes.filter((outcome) => outcome.status === "fulfilled");
    expect(opened).toHaveLength(1);
    await opened[0]?.value.close();
  });

  it("belongs to one host name", async () => {
    await (await Store.open(dir, "alpha")).close();
    await expect(Store.open(dir, "beta")).rejects.toMatchObject({ code: "CONFLICT" });
    // The refusal has let go of it.
    await (await Store.open(dir, "alpha")).close();
  });

  it("tells whether the computer was restarted since", async () => {
    const open = async (): Promise<boolean> => {
      const store = await Store.open(dir, "alpha");
      await store.close();
      return store.afterReboot;
    };
    expect([await open(), await open()]).toEqual([false, false]);
    const db = new DatabaseSync(join(dir, "homeward.db"));
    db.exec("UPDATE host SET boot_id = 'an earlier one'");
    db.close();
    expect([await open(), await open()]).toEqual([true, false]);
  });

  it("is not touched when a newer version wrote it", async () => {
    await (await Store.open(dir, "alpha")).close();
    const db = new DatabaseSync(join(dir, "homeward.db"));
    db.exec("PRAGMA user_version = 99");
    db.close();
    await expect(Store.open(dir, "alpha")).rejects.toMatchObject({ code: "ENVIRONMENT", data: { found: 99 } });
  });

  it("refuses a database that is none, and leaves it open to a repair", async () => {
    await (await Store.open(dir, "alpha")).close();
    const path = join(dir, "homeward.db");
    const good = await readFile(path);
    // The tables are there, and yet it says that they are not.
    const db = new DatabaseSync(path);
    db.exec("PRAGMA user_version = 0");
    db.close();
    await expect(Store.open(dir, "alpha")).rejects.toMatchObject({ code: "DAMAGED" });
    await writeFile(path, Buffer.alloc(8192, 7));
    await expect(Store.open(dir, "alpha")).rejects.toMatchObject({ code: "DAMAGED" });
    await writeFile(path, good);
    await (await Store.open(dir, "alpha")).close();
  });

  it("keeps the kernels of its machines and no others", async () => {
    let store = await Store.open(dir, "alpha");
    await writeFile(join(parent, "kernel"), "used");
    const kernel = await addBlob(store.paths, join(parent, "kernel"), null);
    await writeFile(join(parent, "kernel"), "not used");
    await addBlob(store.paths, join(parent, "kernel"), null);
    store.workspaces.insert(workspace("w", [], { machine: { ...machine, kernel } }));
    await store.close();
    store = await Store.open(dir, "alpha");
    expect(await readdir(store.paths.blobs)).toEqual([kernel.sha256]);
    await store.close();
  });

  it("remembers peers", async () => {
    const store = await Store.open(dir, "alpha");
    store.setPeer("beta", "/run/b");
    store.setPeer("beta", "/run/b2");
    expect(store.peers()).toEqual([{ name: "beta", address: "/run/b2", lastSeenAt: null }]);
    store.notePeerSeen("beta");
    expect(store.peers()[0]?.lastSeenAt).not.toBeNull();
    await store.close();
  });
});
