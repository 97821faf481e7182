import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { encodeSegment, readableEvents } from "../../protocol/input-log.ts";
import { LogStore } from "../../recorder/log-store.ts";

describe("LogStore", () => {
  let dir: string;
  let path: string;
  let store: LogStore;
  let keys: { dir: string; workspace: string };

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "hw-log-"));
    keys = { dir: join(dir, "keys"), workspace: "1234abcd" };
    path = join(dir, "input-log.db");
    store = LogStore.open(path, keys);
  });
  afterEach(async () => {
    await store.close();
    await rm(dir, { recursive: true, force: true });
  });

  it("keeps segments of several generations apart and in order", async () => {
    await store.append("a", 1, Buffer.from("two"), 10, 20, 5);
    await store.append("a", 0, Buffer.from("one"), 1, 9, 4);
    await store.append("b", 0, Buffer.from("other"), 0, 0, 1);
    expect((await store.segments("a")).map(({ seq, bytes, data }) => [seq, bytes, data.toString()])).toEqual([
      [0, 3, "one"],
      [1, 3, "two"],
    ]);
    expect(await store.summary("a")).toEqual({ segments: 2, bytes: 6, events: 9, firstMs: 1, lastMs: 20, nextSeq: 2 });
    expect(await store.summary("none")).toEqual({ segments: 0, bytes: 0, events: 0, firstMs: 0, lastMs: 0, nextSeq: 0 });
  });

  it("is still there after closing, readable by the user alone", async () => {
    await store.append("a", 0, Buffer.from("kept"), 0, 0, 1);
    await store.close();
    store = LogStore.open(path, keys);
    expect((await store.segments("a"))[0]?.data.toString()).toBe("kept");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it("forgets what was typed when truncated", async () => {
    const secret = "correct horse battery staple";
    await store.append("a", 0, Buffer.from(secret), 0, 0, 1);
    await store.append("b", 0, Buffer.from("stays"), 0, 0, 1);
    await store.truncate("a");
    expect(await store.segments("a")).toEqual([]);
    expect(await store.segments("b")).toHaveLength(1);
    for (const file of [path, `${path}-wal`]) expect((await readFile(file)).includes(secret)).toBe(false);
  });

  /** What one generation's log holds, as text; null for what does not open. */
  async function texts(generation: string): Promise<(string | null)[]> {
    return (await store.segments(generation)).map(({ data }) => (data.length === 0 ? null : data.toString()));
  }

  it("keeps nothing readable on disk, and the keys apart for the user alone", async () => {
    const secret = "correct horse battery staple";
    await store.append("a", 0, Buffer.from(secret), 0, 0, 1);
    await store.append("b", 0, Buffer.from(secret), 0, 0, 1);
    for (const file of [path, `${path}-wal`]) expect((await readFile(file)).includes(secret)).toBe(false);
    expect((await readdir(keys.dir)).sort()).toEqual(["1234abcd-a", "1234abcd-b"]);
    expect((await stat(keys.dir)).mode & 0o777).toBe(0o700);
    expect((await stat(join(keys.dir, "1234abcd-a"))).mode & 0o777).toBe(0o600);
    const [a, b] = await Promise.all(["a", "b"].map((name) => readFile(join(keys.dir, `1234abcd-${name}`))));
    expect(a).not.toEqual(b);
  });

  it("opens a segment only with its key, at its place, as it was", async () => {
    for (const generation of ["a", "b"])
      for (const seq of [0, 1]) await store.append(generation, seq, Buffer.from(`${generation}${seq}`), 0, 0, 1);
    await store.close();
    const db = new DatabaseSync(path);
    const data = (generation: string, seq: number): Uint8Array =>
      db.prepare("SELECT data FROM segments WHERE generation = ? AND seq = ?").get(generation, seq)?.["data"] as Uint8Array;
    const put = (generation: string, seq: number, bytes: Uint8Array): unknown =>
      db.prepare("UPDATE segments SET data = ? WHERE generation = ? AND seq = ?").run(bytes, generation, seq);
    // Two of one log change places; in the other one bit is flipped.
    const [first, second] = [data("a", 0), data("a", 1)];
    put("a", 0, second);
    put("a", 1, first);
    put("b", 1, data("b", 1).map((byte, at) => (at === 13 ? byte ^ 1 : byte)));
    db.close();
    store = LogStore.open(path, keys);
    expect(await texts("a")).toEqual([null, null]);
    expect(await texts("b")).toEqual(["b0", null]);
    await store.close();
    // Another workspace's log, even with these keys.
    await cp(join(keys.dir, "1234abcd-b"), join(keys.dir, "other-b"));
    store = LogStore.open(path, { ...keys, workspace: "other" });
    expect(await texts("b")).toEqual([null, null]);
    await store.close();
    await cp(join(keys.dir, "1234abcd-a"), join(keys.dir, "1234abcd-b"));
    store = LogStore.open(path, keys);
    expect(await texts("b")).toEqual([null, null]);
    await rm(join(keys.dir, "1234abcd-a"));
    await store.append("a", 2, Buffer.from("a2"), 0, 0, 1);
    expect(await texts("a")).toEqual([null, null, "a2"]);
  });

  it("forgets a log with its key, whatever copies there are", async () => {
    await store.append("a", 0, Buffer.from("typed"), 0, 0, 1);
    await store.append("ab", 0, Buffer.from("stays"), 0, 0, 1);
    await store.close();
    const copy = join(dir, "copy.db");
    await cp(path, copy);
    store = LogStore.open(path, keys);
    await store.truncate("a");
    expect(await readdir(keys.dir)).toEqual(["1234abcd-ab"]);
    await store.close();
    store = LogStore.open(copy, keys);
    expect(await texts("a")).toEqual([null]);
    expect(await texts("ab")).toEqual(["stays"]);
    await store.forgetAll();
    expect(await readdir(keys.dir)).toEqual([]);
    expect(await texts("ab")).toEqual([null]);
  });

  it("overwrites what an older version wrote in plain text, and knows it for unreadable", async () => {
    await store.close();
    const secret = "correct horse battery staple";
    const old = new DatabaseSync(path);
    old.exec(`CREATE TABLE segments (generation TEXT NOT NULL, seq INTEGER NOT NULL, first_ms INTEGER NOT NULL,
      last_ms INTEGER NOT NULL, events INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (generation, seq)) STRICT;
      PRAGMA user_version = 1`);
    old.prepare("INSERT INTO segments VALUES ('a', 0, 0, 9, 3, ?)").run(Buffer.from(secret));
    old.close();
    store = LogStore.open(path, keys);
    expect(await store.begin("a")).toMatchObject({ nextSeq: 1, lastMs: 9 });
    expect(await texts("a")).toEqual([null]);
    for (const file of [path, `${path}-wal`]) expect((await readFile(file)).includes(secret)).toBe(false);
  });

  it("says what is wrong", async () => {
    await store.append("a", 0, Buffer.from("x"), 0, 0, 1);
    await expect(store.append("a", 0, Buffer.from("y"), 0, 0, 1)).rejects.toMatchObject({ code: "CONFLICT" });
    await store.close();
    await expect(store.segments("a")).rejects.toMatchObject({ code: "CONFLICT" });
    const noDatabase = join(dir, "text");
    await writeFile(noDatabase, "this is not a database, but long enough to be one".repeat(30));
    const damaged = LogStore.open(noDatabase, keys);
    await expect(damaged.segments("a")).rejects.toMatchObject({ code: "DAMAGED" });
    await damaged.close().catch(() => undefined);
    const nowhere = LogStore.open(join(dir, "no", "such", "folder"), keys);
    await expect(nowhere.segments("a")).rejects.toMatchObject({ code: "ENVIRONMENT" });
    await nowhere.close().catch(() => undefined);
  });

  it("goes on after damage, with the file put aside and the log known to be incomplete", async () => {
    await store.append("a", 0, Buffer.from("lost"), 0, 0, 1);
    await store.close();
    for (const suffix of ["-wal", "-shm"]) await rm(path + suffix, { force: true });
    const bad = await readFile(path);
    // The pages behind the header: the file opens, and its table cannot be read.
    bad.fill(0xa5, 4096);
    await writeFile(path, bad);
    store = LogStore.open(path, keys);
    await expect(store.segments("a")).rejects.toMatchObject({ code: "DAMAGED" });
    const { nextSeq } = await store.begin("a");
    expect(nextSeq).toBe(1);
    await store.append("a", nextSeq, await encodeSegment([{ atMs: 5, kind: "mark", mark: "resume" }]), 5, 5, 1);
    const said: string[] = [];
    for await (const event of readableEvents(await store.segments("a"), ({ message }) => said.push(message)))
      throw new Error(`an event after the gap: ${event.kind}`);
    expect(said).toEqual([expect.stringMatching(/damaged after 0 events/)]);
    expect((await readFile(`${path}.damaged`)).subarray(4096).equals(bad.subarray(4096))).toBe(true);
    // Another generation's log begins as it should, and nothing typed outlives its own.
    expect((await store.begin("b")).nextSeq).toBe(0);
    await store.truncate("a");
    await expect(stat(`${path}.damaged`)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("does not make the event loop wait for the disk", async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await Promise.all(Array.from({ length: 100 }, (_, i) => store.append("a", i, Buffer.alloc(2000, i), i, i, 1)));
    clearInterval(timer);
    expect((await store.summary("a")).segments).toBe(100);
    expect(turns).toBeGreaterThan(5);
  });
});
