import { mkdtemp, readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { noProgress } from "../../common/progress.ts";
import type { ServiceContext } from "../../service/context.ts";
import { explainMigration } from "../../service/explain-migration.ts";
import { decodeBlockLists, encodeBlockLists } from "../../service/store/shipped-lists.ts";
import { Store } from "../../service/store/store.ts";
import { MIGRATION_REPORT } from "./cli-reports.ts";
import { generationFiles, rootOf } from "./store-fixtures.ts";

const [A, B] = [rootOf("a"), rootOf("b")];
const ID = MIGRATION_REPORT.id;
const SIZES = { ram: 131_072, disk: 1_000_000_000 };
const LISTS = {
  ram: [{ block: 0, count: 1 }, { block: 7, count: 300 }, { block: 131_000, count: 72 }],
  disk: [{ block: 999_999_999, count: 1 }],
};

describe("lists of blocks", () => {
  it("come back as they were, in few bytes", () => {
    const data = encodeBlockLists(LISTS);
    expect(data.length).toBeLessThan(26);
    expect(decodeBlockLists(data, SIZES)).toEqual(LISTS);
    expect(decodeBlockLists(encodeBlockLists({ ram: [], disk: [] }), SIZES)).toEqual({ ram: [], disk: [] });
  });

  it("are refused when they are cut, changed, or lead beyond the device", () => {
    const data = encodeBlockLists(LISTS);
    const damaged = expect.objectContaining({ code: "DAMAGED" }) as Error;
    for (let length = 0; length < data.length; length++) expect(() => decodeBlockLists(data.subarray(0, length), SIZES)).toThrow(damaged);
    expect(() => decodeBlockLists(Buffer.concat([data, Buffer.of(0)]), SIZES)).toThrow(damaged);
    expect(() => decodeBlockLists(data, { ...SIZES, ram: 131_071 })).toThrow(damaged);
    expect(() => decodeBlockLists(Buffer.from("HWSL\x02\0\0"), SIZES)).toThrow(damaged);
    // An empty run would let a list of a few bytes be walked for ever.
    expect(() => decodeBlockLists(Buffer.from("HWSL\x01\x01\0\0\0"), SIZES)).toThrow(damaged);
  });
});

describe("explaining a migration", () => {
  let dir: string;
  let store: Store;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "hw-explain-"));
    store = await Store.open(join(dir, "state"), "laptop");
  });
  afterEach(async () => {
    await store.close();
    await rm(dir, { recursive: true, force: true });
  });

  function explain(id = ID): Promise<unknown> {
    const ctx = { store, hostName: "laptop" } as unknown as ServiceContext;
    return explainMigration(ctx, id, { signal: new AbortController().signal, progress: noProgress });
  }

  function insert(role: "source" | "destination"): void {
    store.migrations.insert({ id: ID, workspace: "work", role, kind: "migration", peer: "home", mode: "replay", state: "done", base: A });
  }

  function reported(): void {
    store.migrations.update(ID, { root: B, report: { ...MIGRATION_REPORT, base_root: A, root_source: B } });
  }

  it("says what is missing: the migration, its report, a generation, the list", async () => {
    await expect(explain()).rejects.toMatchObject({ code: "NOT_FOUND" });
    insert("source");
    await expect(explain()).rejects.toMatchObject({ code: "CONFLICT", message: expect.stringContaining("not carried through") as string });
    reported();
    await expect(explain()).rejects.toMatchObject({ code: "NOT_FOUND", message: expect.stringContaining("has been removed") as string });
    for (const root of [A, B]) await store.generations.install(await generationFiles(join(dir, "files"), root));
    await expect(explain()).rejects.toMatchObject({ code: "NOT_FOUND", message: expect.stringContaining("not noted") as string });
    await writeFile(join(store.paths.shipped, ID), "something else");
    await expect(explain()).rejects.toMatchObject({ code: "DAMAGED" });
    await truncate(join(store.paths.shipped, ID), 20_000_000);
    await expect(explain()).rejects.toMatchObject({ code: "DAMAGED" });
  });

  it("sends whoever asks on the other host to the one that knows", async () => {
    insert("destination");
    await expect(explain()).rejects.toMatchObject({ code: "CONFLICT", hint: "On home: homeward explain 5f0c6f5e" });
  });

  it("keeps a list for its user alone, as long as both generations are kept", async () => {
    for (const root of [A, B]) await store.generations.install(await generationFiles(join(dir, "files"), root));
    insert("source");
    reported();
    await store.shipped.write(ID, LISTS);
    await store.shipped.write("7a05", LISTS);
    expect((await stat(join(store.paths.shipped, ID))).mode & 0o777).toBe(0o600);
    await store.shipped.collectGarbage();
    expect(await readdir(store.paths.shipped)).toEqual([ID]);
    expect(await store.shipped.read(ID, SIZES)).toEqual(LISTS);
    await store.generations.delete(A);
    await store.shipped.collectGarbage();
    expect(await readdir(store.paths.shipped)).toEqual([]);
    expect(await store.shipped.read(ID, SIZES)).toBeNull();
  });

  it("leaves the list of a migration that is not over alone", async () => {
    store.migrations.insert({ id: ID, workspace: "work", role: "source", kind: "migration", peer: "home", mode: "replay", state: "released", base: A });
    await store.shipped.write(ID, LISTS);
    await store.shipped.collectGarbage();
    expect(await readdir(store.paths.shipped)).toEqual([ID]);
  });
});
