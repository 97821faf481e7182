import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { encodeSegment, readableEvents } from "../../protocol/input-log.ts";
import { LogStore } from "../../recorder/log-store.ts";

describe("LogStore", () => {
  let dir: string;
  let path: string;
  let store: LogStore;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "hw-log-"));
    path = join(dir, "input-log.db");
    store = LogStore.open(path);
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
    store = LogStore.open(path);
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

  it("says what is wrong", async () => {
    await store.append("a", 0, Buffer.from("x"), 0, 0, 1);
    await expect(store.append("a", 0, Buffer.from("y"), 0, 0, 1)).rejects.toMatchObject({ code: "CONFLICT" });
    await store.close();
    await expect(store.segments("a")).rejects.toMatchObject({ code: "CONFLICT" });
    const noDatabase = join(dir, "text");
    await writeFile(noDatabase, "this is not a database, but long enough to be one".repeat(30));
    const damaged = LogStore.open(noDatabase);
    await expect(damaged.segments("a")).rejects.toMatchObject({ code: "DAMAGED" });
    await damaged.close().catch(() => undefined);
    const nowhere = LogStore.open(join(dir, "no", "such", "folder"));
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
    store = LogStore.open(path);
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
