import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { delay } from "../../common/abort.ts";
import { buildGuest } from "../../guests/build.ts";
import type { GenerationManifest } from "../../protocol/generation.ts";
import { StatePaths } from "../../service/store/paths.ts";
import { MerkleTree } from "../../syncer/merkle.ts";
import { GuestClock } from "./guest-clock.ts";
import { TestService, TinyConsole } from "./service-process.ts";

const work = { workspace: "work" };

let service: TestService;
let clock: GuestClock;

beforeAll(async () => {
  const { dir } = await buildGuest("tiny");
  clock = await GuestClock.listen();
  service = await TestService.create("alpha");
  await service.start();
  await service.call("create", { ...work, from: dir, accelerator: "tcg", hostLoopback: true });
  const viewer = await TinyConsole.connect((await service.call("start", work)).console);
  await viewer.prompt();
  viewer.close();
  await service.call("seal", work);
});
afterAll(async () => {
  await service.remove();
  clock.close();
});

async function console(): Promise<TinyConsole> {
  return TinyConsole.connect((await service.workspace("work")).console);
}

/** By how many milliseconds the guest's clock is wrong, when asked a moment after it could know better. */
async function clockError(): Promise<number> {
  const viewer = await console();
  const ahead = await clock.ahead((text) => viewer.type(text));
  viewer.close();
  return Math.abs(ahead);
}

/** What was typed since the generation, one character each, and the times of all lines. */
async function recorded(): Promise<{ typed: string; timesMs: number[]; durationMs: number }> {
  const { entries, durationMs } = await service.call("log", { ...work, limit: 2000, showText: true });
  const typed = entries.map(({ text }) => /^typed '(.*)'/.exec(text)?.[1] ?? "").join("");
  return { typed, timesMs: entries.map(({ atMs }) => atMs), durationMs };
}

describe("a service that is killed while it records", () => {
  it("loses nothing older than a moment, and the next one goes on recording the same machine", async () => {
    const { pid } = await service.workspace("work");
    const viewer = await console();
    const typedMs: number[] = [];
    for (let i = 0; i < 60; i++) {
      await viewer.type("x");
      typedMs.push(performance.now());
    }
    const killedMs = performance.now();
    await service.signal("SIGKILL");
    viewer.close();
    await service.start();
    // A second is promised; a busy machine is given two more.
    const safe = typedMs.filter((ms) => killedMs - ms > 3000).length;
    expect(safe).toBeGreaterThan(5);
    expect((await recorded()).typed.length).toBeGreaterThanOrEqual(safe);
    expect(await service.workspace("work")).toMatchObject({ state: "running", pid, log: { recording: true } });
    const again = await console();
    await again.type("yyy\n");
    await again.prompt();
    again.close();
    expect((await recorded()).typed).toMatch(/^x+yyy$/);
  });
});

describe("a computer that sleeps", () => {
  it("goes on recording when it wakes, with its sleep left out, and the guest's clock is put right", async () => {
    const { pid } = await service.workspace("work");
    if (pid === null) throw new Error("no QEMU");
    const before = await recorded();
    const beforeMs = performance.now();
    service.stand("SIGSTOP");
    process.kill(pid, "SIGSTOP");
    await delay(12_000);
    process.kill(pid, "SIGCONT");
    service.stand("SIGCONT");
    // The service looks at the time once a second, the guest too.
    await delay(3000);
    expect(await clockError()).toBeLessThan(2000);
    const after = await recorded();
    expect(after.typed).toContain("EPOCHREALTIME");
    expect(after.timesMs).toEqual([...after.timesMs].sort((a, b) => a - b));
    // Five seconds of the twelve count at most.
    expect(after.durationMs - before.durationMs).toBeLessThan(performance.now() - beforeMs - 6000);
    expect(await service.workspace("work")).toMatchObject({ state: "running", pid, log: { recording: true } });
  });

  it("finds the guest's clock right after a suspend, too", async () => {
    await service.call("suspend", work);
    await delay(5000);
    await service.call("start", work);
    await delay(1500);
    expect(await clockError()).toBeLessThan(2000);
  });
});

/** As if the computer had lost power: no process of it is left, nor anything in memory. */
async function losePower(): Promise<void> {
  const { pid } = await service.workspace("work");
  await service.signal("SIGKILL");
  if (pid !== null) process.kill(pid, "SIGKILL");
  const { runName, database } = new StatePaths(service.stateDir);
  for (const parent of [`/run/user/${String(process.getuid?.())}`, "/tmp", "/dev/shm"])
    await rm(join(parent, runName), { recursive: true, force: true });
  const db = new DatabaseSync(database);
  db.exec("UPDATE host SET boot_id = 'the start before'");
  db.close();
}

describe("a computer that was restarted", () => {
  it("has a suspended workspace as it was", async () => {
    const viewer = await console();
    await viewer.type("clear; echo kept > /tmp/memory\n");
    await viewer.prompt();
    viewer.close();
    await service.call("suspend", work);
    await losePower();
    await service.start();
    expect(await service.workspace("work")).toMatchObject({ state: "suspended", note: null });
    await service.call("start", work);
    const again = await console();
    const line = await again.prompt();
    await again.type("cat /tmp/memory && clear; cat /tmp/memory\n");
    // "clear" ran only if the file in the guest's memory was there: the prompt is on the third line again.
    await again.prompt(line - 16);
    again.close();
  });

  it("says that what ran is lost, and boots it from its disk", async () => {
    const viewer = await console();
    await viewer.type("clear; echo safe > /root/disk; sync; echo gone > /tmp/memory\n");
    await delay(1500);
    viewer.close();
    await losePower();
    await service.start();
    const lost = await service.workspace("work");
    expect(lost).toMatchObject({ state: "off", pid: null, ramPlace: null, console: null });
    expect(lost.note).toMatch(/this computer was restarted while it ran.*boots from its disk/);
    await expect(service.call("suspend", work)).rejects.toMatchObject({ code: "CONFLICT" });
    const booted = await service.call("start", work);
    expect(booted).toMatchObject({ state: "running", note: null, log: { recording: true } });
    const again = await console();
    const top = await again.prompt();
    await again.type("cat /root/disk /tmp/memory\n");
    // Two lines of answer: what was synced, and that the other file is not there.
    const after = await again.prompt(top);
    expect(after - top).toBe(3 * 16);
    again.close();
  });

  it("does not pretend to have a saved state that is gone", async () => {
    await service.call("suspend", work);
    await service.signal("SIGKILL");
    await rm(new StatePaths(service.stateDir).workspace("work").saved.device);
    await service.start();
    const found = await service.workspace("work");
    expect(found).toMatchObject({ state: "off", pid: null });
    expect(found.note).toMatch(/saved state is gone/);
    const viewer = await TinyConsole.connect((await service.call("start", work)).console);
    await viewer.prompt();
    viewer.close();
  });
});

/** Every stored generation is what its root says: RAM, device state, and layers that are there. */
async function expectWhole(): Promise<string[]> {
  const paths = new StatePaths(service.stateDir);
  const db = new DatabaseSync(paths.database, { readOnly: true });
  const layers = db.prepare("SELECT DISTINCT layer FROM generation_layers UNION SELECT layer FROM workspace_layers").all();
  const roots = db.prepare("SELECT root FROM generations").all().map((row) => String(row["root"]));
  db.close();
  for (const { layer } of layers) expect((await stat(paths.layer(String(layer)))).isFile()).toBe(true);
  for (const root of roots) {
    const at = paths.generation(root);
    const manifest = JSON.parse(await readFile(at.manifest, "utf8")) as GenerationManifest;
    const sha256 = createHash("sha256").update(await readFile(at.device)).digest("hex");
    expect(sha256).toBe(manifest.deviceSha256);
    expect((await MerkleTree.decode(await readFile(at.ramTree))).root).toBe(manifest.ramRoot);
    expect((await stat(at.ram)).size).toBe(manifest.machine.memoryBytes);
  }
  return roots;
}

describe("gc", () => {
  it("removes what nobody needs and only that, also when it is killed half-way", async () => {
    const paths = new StatePaths(service.stateDir);
    const { root: first } = await service.call("seal", { ...work, export: join(service.stateDir, "exported") });
    for (let i = 0; i < 4; i++) await service.call("seal", work);
    const { base } = await service.workspace("work");
    // The service has begun to clean up after the seals by itself.
    await service.call("gc", {});
    const leftover = paths.incomingOf("import-11111111-1111-4111-8111-111111111111");
    await mkdir(leftover);
    await writeFile(join(leftover, "ram"), Buffer.alloc(100_000, 1));

    const wish = await service.call("gc", { dryRun: true });
    expect(wish).toMatchObject({ dryRun: true, postponed: false });
    const found = wish.removed.find(({ kind }) => kind === "unfinished");
    expect(found).toMatchObject({ name: expect.stringContaining("import-") as string });
    expect(found?.bytes).toBeGreaterThanOrEqual(100_000);
    expect(await readdir(leftover)).toEqual(["ram"]);
    expect(wish.kept.find(({ root }) => root === base)?.why).toEqual(["work is based on it"]);
    expect(wish.kept.find(({ root }) => root === first)?.why).toEqual(["work was exported as it"]);

    // A generation that only a row says anybody may need: without that row it goes, and its layer with it.
    const db = new DatabaseSync(paths.database);
    db.exec("UPDATE generations SET exported_at = NULL");
    db.close();
    const collecting = service.call("gc", {}).catch(() => null);
    await service.signal("SIGKILL");
    await collecting;
    expect(await expectWhole()).toContain(base);
    await service.start();
    // At its start the service looks at what it has, and leaves files alone meanwhile.
    await expect.poll(async () => (await service.call("gc", {})).postponed, { timeout: 60_000 }).toBe(false);
    const roots = await expectWhole();
    expect(roots).toContain(base);
    expect(roots).not.toContain(first);
    expect(roots).toHaveLength(3);
    expect((await readdir(paths.generations)).sort()).toEqual(roots.sort());
    expect(await readdir(paths.incoming)).toEqual([]);
    expect((await service.call("gc", { dryRun: true })).removed).toEqual([]);
    expect(await service.workspace("work")).toMatchObject({ state: "running", base });
  });
});
