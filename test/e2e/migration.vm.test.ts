import { createHash } from "node:crypto";
import { chmod, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MigrationReport } from "../../protocol/report.ts";
import { openDisk } from "../../vm/disk-blocks.ts";
import { TwoHosts, WORKSPACE, failure, stillPicture, type, type TestHost, run, sees } from "./migration-hosts.ts";

let hosts: TwoHosts;
beforeAll(async () => {
  hosts = await TwoHosts.create();
});
afterAll(async () => {
  await hosts.end();
});

/** Paths of a stored generation's disk, top first, as the host's own database says. */
function layersOf(host: TestHost, root: string): string[] {
  const db = new DatabaseSync(join(host.state, "homeward.db"), { readOnly: true });
  try {
    const rows = db.prepare("SELECT layer FROM generation_layers WHERE root = ? ORDER BY position").all(root);
    return rows.map((row) => join(host.state, "layers", `${String(row["layer"])}.qcow2`));
  } finally {
    db.close();
  }
}

async function contentOf(host: TestHost, root: string): Promise<Record<"ram" | "device" | "disk", string>> {
  const sha256 = (data: Buffer): string => createHash("sha256").update(data).digest("hex");
  const runDir = await mkdtemp(join(tmpdir(), "hw-nbd-"));
  const disk = await openDisk(layersOf(host, root), { writable: false, runDir });
  try {
    const generation = join(host.state, "generations", root);
    const whole = createHash("sha256");
    for (let block = 0; block < disk.blocks; block += 256)
      whole.update(await disk.read(block, Math.min(256, disk.blocks - block)));
    return {
      ram: sha256(await readFile(join(generation, "ram"))),
      device: sha256(await readFile(join(generation, "device"))),
      disk: whole.digest("hex"),
    };
  } finally {
    await disk.close();
    await rm(runDir, { recursive: true });
  }
}

const BLOCK = 4096;

/** Overwrites a piece of a stored file; returns what puts it back. */
async function overwrite(path: string, at: number, data: Buffer): Promise<() => Promise<void>> {
  await chmod(path, 0o600);
  const file = await open(path, "r+");
  const before = Buffer.alloc(data.length);
  await file.read(before, 0, before.length, at);
  await file.write(data, 0, data.length, at);
  await file.close();
  return async () => {
    const again = await open(path, "r+");
    await again.write(before, 0, before.length, at);
    await again.close();
    await chmod(path, 0o400);
  };
}

/** A block of `before` that `after` has somewhere else, with nothing but zeroes in its old place. */
function movedBlock(before: Buffer, after: Buffer): number {
  const block = (ram: Buffer, i: number): Buffer => ram.subarray(i * BLOCK, (i + 1) * BLOCK);
  const places = new Map<string, number[]>();
  for (let i = 0; i < before.length / BLOCK; i++) {
    const key = createHash("sha1").update(block(before, i)).digest("hex");
    places.set(key, [...(places.get(key) ?? []), i]);
  }
  for (let i = 0; i < after.length / BLOCK; i++) {
    if (block(after, i).equals(block(before, i)) || block(after, i).every((byte) => byte === 0)) continue;
    const [from, ...others] = places.get(createHash("sha1").update(block(after, i)).digest("hex")) ?? [];
    if (from === undefined || others.length > 0 || !block(after, from).every((byte) => byte === 0)) continue;
    // What is fetched again is packed with the old content of the same 64 KiB in mind, which must not be the bad one.
    if (Math.floor(from / 16) !== Math.floor(i / 16)) return from;
  }
  throw new Error("no block has moved");
}

/** Says in a line what it cost, and checks what is true of every exchange. */
function expectSound(report: MigrationReport): void {
  const { kind, mode, level, blocks, bytes, phases } = report;
  const shipped = `${String(blocks.shipped)} of ${String(blocks.ram_dirty + blocks.disk_dirty)} dirty blocks`;
  const cost = `${shipped}, ${String(bytes.total)} bytes, ${String(phases.click_to_usable_s)} s`;
  process.stdout.write(`${kind}, ${mode}, level ${String(level)}: ${cost}\n`);
  expect(report.verified).toBe(true);
  expect(report.root_destination).toBe(report.root_source);
  const { total, ...kinds } = report.bytes;
  expect(Object.values(kinds).reduce((a, b) => a + b, 0)).toBe(total);
}

describe("a workspace", () => {
  it("goes there with replay, held, and is the same to the last byte", async () => {
    const { near, far, relay } = hosts;
    const console = await near.console();
    const before = await run(console, "seq 1 2000 > numbers; sort -r numbers > sorted; ls -l\n");
    console.close();
    relay.bytes = 0;
    const phases: string[] = [];
    const report = await near.call(
      "migrate",
      { workspace: WORKSPACE, peer: "far", mode: "replay", hold: true },
      { onProgress: ({ phase }) => phases.push(phase) },
    );
    expectSound(report);
    expect(report).toMatchObject({ from: "near", to: "far", owner: "far", mode: "replay", hold: true });
    expect(report.bytes.total).toBe(relay.bytes);
    expect(report.replay?.gave_up).toBeNull();
    // On a busy computer a picture may come too late; that costs bytes.
    expect(report.checkpoints.matched).toBeGreaterThan(report.checkpoints.missed);
    expect(report.events).toBeGreaterThan(50);
    expect(report.blocks.twin).toBeGreaterThan(0);
    expect(phases).toContain("replay");
    expect(await near.workspace()).toMatchObject({ owner: "far", state: "away", base: report.root_source });
    expect(await far.workspace()).toMatchObject({ owner: "here", state: "suspended", base: report.root_source });
    expect(await contentOf(far, report.root_source)).toEqual(await contentOf(near, report.root_source));
    expect((await far.call("report", { id: report.id })).report).toEqual(report);

    const explained = await near.call("explain", { id: report.id });
    // By the records of the guest's own kernel, whatever it is busy with.
    expect(explained).toMatchObject({ id: report.id, by: "descriptors", residualBytes: report.bytes.residual });
    expect(explained.kinds.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["slab", "page-descriptors"]));
    const blocks = explained.kinds.reduce((sum, kind) => sum + kind.blocks, 0);
    expect(blocks).toBeGreaterThan(100);
    expect(blocks).toBeLessThanOrEqual(report.blocks.shipped);
    expect(await failure(far.call("explain", { id: report.id }))).toMatchObject({ code: "CONFLICT" });
    expect(await failure(near.call("start", { workspace: WORKSPACE }))).toMatchObject({ code: "CONFLICT" });

    await far.call("start", { workspace: WORKSPACE });
    const there = await far.console();
    await sees(there, before);
    there.close();
  });

  it("comes back, runs on, and shows what was done there", async () => {
    const { near, far } = hosts;
    const there = await far.console();
    const before = await run(there, "rm sorted; date > /root/visited; cat numbers | wc\n");
    there.close();
    const report = await far.call("migrate", { workspace: WORKSPACE, peer: "near", mode: "replay" });
    expectSound(report);
    // A truncated hash may have hit the wrong block once; that was found and mended.
    expect(report.notes.filter((note) => !note.includes("sent again"))).toEqual([]);
    expect(await near.workspace()).toMatchObject({ owner: "here", state: "running" });
    expect(await far.workspace()).toMatchObject({ owner: "near", state: "away" });
    expect(await contentOf(far, report.root_source)).toEqual(await contentOf(near, report.root_source));
    const console = await near.console();
    await sees(console, before);
    console.close();
  });

  it("goes there without replay, for more bytes", async () => {
    const { near, far } = hosts;
    const console = await near.console();
    await type(console, "seq 1 3000 | sort > again; seq 1 50000 > /tmp/here\n");
    await stillPicture(console);
    console.close();
    const base = (await near.workspace()).base ?? "";
    const hashes = (host: TestHost, device: string): string => join(host.state, "generations", base, `${device}.hashes`);
    const contents = (): Promise<Buffer[]> =>
      Promise.all([near, far].flatMap((host) => ["ram", "disk"].map((name) => readFile(hashes(host, name)))));
    const before = await contents();
    await rm(hashes(far, "ram"));
    await writeFile(hashes(near, "disk"), "damaged", { mode: 0o400, flag: "w" });
    await overwrite(hashes(near, "ram"), 32, Buffer.alloc(64, 0xee));
    const report = await near.call("migrate", { workspace: WORKSPACE, peer: "far", mode: "overlay", level: 9 });
    // They were made anew before anything stood still.
    expect((await contents()).every((content, i) => content.equals(before[i] ?? Buffer.alloc(0)))).toBe(true);
    expectSound(report);
    expect(report).toMatchObject({ mode: "overlay", replay: null, level: 9, owner: "far" });
    expect(report.bytes.log).toBeLessThan(100);
    expect(await far.workspace()).toMatchObject({ owner: "here", state: "running" });
  });

  it("can be measured both ways, without anything moving", async () => {
    const { near, far } = hosts;
    const before = [await near.workspace(), await far.workspace()];
    for (const mode of ["replay", "overlay"] as const) {
      const report = await near.call("measure", { workspace: WORKSPACE, peer: "far", mode });
      expectSound(report);
      expect(report).toMatchObject({ kind: "measurement", mode, from: "near", to: "far" });
    }
    const after = [await near.workspace(), await far.workspace()];
    expect(after.map(({ state, owner, base }) => ({ state, owner, base }))).toEqual(
      before.map(({ state, owner, base }) => ({ state, owner, base })),
    );
  });

  it("is refused before anything is suspended when the destination's copy is damaged", async () => {
    const { near, far } = hosts;
    const { base } = await far.workspace();
    await far.call("migrate", { workspace: WORKSPACE, peer: "near", mode: "overlay" });
    const generation = (await near.workspace()).base ?? base;
    const restore = await overwrite(join(far.state, "generations", String(generation), "device"), 100, Buffer.alloc(8));
    const phases: string[] = [];
    const refused = near.call(
      "migrate",
      { workspace: WORKSPACE, peer: "far", mode: "overlay" },
      { onProgress: ({ phase }) => phases.push(phase) },
    );
    expect(await failure(refused)).toMatchObject({ code: "DAMAGED", hint: expect.stringMatching(/create it again/) as string });
    await restore();
    expect(phases).not.toContain("suspend");
    expect(await near.workspace()).toMatchObject({ owner: "here", state: "running" });
  });

  it("arrives whole although the destination copies from a bad block", async () => {
    const { near, far } = hosts;
    const console = await near.console();
    // On a tmpfs: the same content in other pages, the old ones are cleared.
    await type(console, "cat /tmp/here > /tmp/there; rm /tmp/here\n");
    await stillPicture(console);
    console.close();
    const before = (await near.workspace()).base ?? "";
    const { root } = await near.call("seal", { workspace: WORKSPACE });
    const ram = (generation: string): Promise<Buffer> => readFile(join(near.state, "generations", generation, "ram"));
    const moved = movedBlock(await ram(before), await ram(root));
    const target = join(far.state, "generations", before, "ram");
    // After the generation was checked, and before it is copied from.
    const restored = Promise.withResolvers<() => Promise<void>>();
    hosts.relay.trap = {
      from: "caller",
      frame: "indexEnd",
      then: async () => {
        restored.resolve(await overwrite(target, moved * BLOCK, Buffer.alloc(64, 0xee)));
        return "pass";
      },
    };
    const report = await near.call("measure", { workspace: WORKSPACE, root, peer: "far", mode: "overlay" });
    await (await restored.promise)();
    expectSound(report);
    expect(report.notes.join()).toMatch(/blocks had to be sent again/);
  });

  it("has kept both services below 300 MB", async () => {
    for (const host of [hosts.near, hosts.far]) {
      const peak = await host.peakMemory();
      process.stdout.write(`${host.name}: ${String(Math.round(peak / 1e6))} MB\n`);
      expect(peak).toBeLessThan(300e6);
    }
  });
});
