import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { makeGeneration } from "../../bench/exchange/synthetic-generation.ts";
import type { HomewardError } from "../../common/errors.ts";
import { run, start } from "../../common/spawn.ts";
import type { GenerationManifest } from "../../protocol/generation.ts";
import type { PushedFile } from "../../protocol/push.ts";
import { PeerLink } from "../../service/migration/peer-link.ts";
import { openIdentity, type Identity } from "../../service/peers/identity.ts";
import { dialTls } from "../../service/peers/tls.ts";
import { TlsListener } from "../../service/peers/tls-listener.ts";
import { relayRsync } from "../../service/push/rsync-relay.ts";
import { startReceiver, startSender } from "../../service/push/rsync-process.ts";
import { StatePaths } from "../../service/store/paths.ts";
import { generationRoot } from "../../syncer/generation-root.ts";
import { HashPool } from "../../syncer/hash-pool.ts";
import { failure, removeRunFolders, TestHost, WORKSPACE } from "../e2e/migration-hosts.ts";

/** A real service, and this test as the other host, which is paired and means ill. */
const MIB = 1024 * 1024;
const MACHINE = { memoryBytes: 32 * MIB, touchedBytes: 2 * MIB, diskBytes: 16 * MIB, writtenDiskBytes: 2 * MIB };
const RIGHTS = { push: true, take: true, workspaces: null };
const BRIDGE = join(import.meta.dirname, "..", "..", "service", "push", "rsync-bridge.sh");

let dir: string;
let far: TestHost;
let mine: Identity;
let target: { readonly id: string; readonly address: string };
let manifest: GenerationManifest;
let paths: Map<string, string>;
let files: PushedFile[];
let link: PeerLink;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-hostile-"));
  far = new TestHost(dir, "far", "paired");
  mine = await openIdentity(join(dir, "mine.pem"));
  await far.start();
  const { id, listen } = await far.call("hosts", {});
  target = { id, address: String(listen) };
  await far.call("pair", { id: mine.id, address: "127.0.0.1:1", name: "near", rights: RIGHTS });
  const pool = HashPool.create();
  const made = join(dir, "made");
  manifest = await makeGeneration(made, MACHINE, "7.2", pool);
  await pool.close();
  paths = new Map([["device", join(made, "device")], ["ram", join(made, "ram")], ["layer-0", join(made, "disk.qcow2")]]);
  files = [];
  for (const [name, path] of paths) {
    const { size } = await stat(path);
    files.push({ name, bytes: size, allocated: size });
  }
});
afterAll(async () => {
  await far.end();
  await removeRunFolders(far.state);
  await rm(dir, { recursive: true, force: true });
});
beforeEach(async () => {
  const rest = { rights: RIGHTS, pairedAt: "2026-01-01T00:00:00.000Z", lastSeenAt: null };
  link = await PeerLink.open(await dialTls(mine, { name: "far", ...target, ...rest }), { host: "near" });
});

afterEach(() => link.close());

const incoming = (): string => new StatePaths(far.state).incomingOf(`push-${WORKSPACE}`);

/** How long an rsync of this test waits for a word from the other. */
const SILENCE_MS = 3000;

/** An rsync with arguments of one's own, whose talk goes over the link, up to the end of it. */
async function rsync(args: readonly string[]): Promise<void> {
  const child = await start("rsync", [...args, "-e", `/bin/sh ${BRIDGE}`], { detached: true, stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const input = child.stdio[3] as Writable;
  const output = child.stdio[4] as Readable;
  for (const stream of [input, output]) stream.on("error", () => undefined);
  const kill = (): void => {
    input.destroy();
    output.destroy();
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  };
  link.signal.addEventListener("abort", kill);
  // Where the two no longer understand each other, both would wait: this one ends then.
  const patience = setTimeout(kill, SILENCE_MS);
  const sending = (async () => {
    try {
      for await (const chunk of output as AsyncIterable<Buffer>)
        for (let at = 0; at < chunk.length; at += 65_536) await link.sendBytes("rsync", chunk.subarray(at, at + 65_536));
    } finally {
      await link.sendBytes("rsyncEnd");
    }
  })().catch(() => undefined);
  try {
    for await (const piece of link.stream("rsync", "rsyncEnd")) {
      patience.refresh();
      input.write(piece);
    }
    input.end();
    await sending;
  } finally {
    clearTimeout(patience);
    kill();
  }
}

/** Offers the generation and answers the first file that is asked for with `answer`. @returns what it came to */
async function pushing(answer: (name: string) => Promise<void>, announced: Partial<{ manifest: GenerationManifest; files: PushedFile[] }> = {}): Promise<HomewardError> {
  await link.send("push", { workspace: WORKSPACE, manifest, files, ...announced });
  return failure(
    (async () => {
      for (;;) {
        const frame = await link.receive();
        if (frame.name === "pushed") return;
        const { name } = JSON.parse(frame.payload.toString()) as { name: string };
        await link.send("pushStart", { compress: false });
        await answer(name);
      }
    })(),
  );
}

const honest = async (name: string, path = paths.get(name) ?? ""): Promise<void> => {
  const sender = await startSender({ path, name, bytes: (await stat(path)).size }, null, () => undefined);
  await relayRsync(link, sender, { fileBytes: 1e9, signal: link.signal });
};
const SAME = ["--inplace", "--sparse", "--ignore-times", "--no-whole-file"];

/** Nothing counts, and nothing lies anywhere but plain files of the right names in their folder. */
async function untouched(): Promise<void> {
  const state = new StatePaths(far.state);
  expect(await readdir(state.generations)).toEqual([]);
  expect(await readdir(state.layers)).toEqual([]);
  expect((await readdir(state.incoming)).filter((name) => name !== `push-${WORKSPACE}`)).toEqual([]);
  expect((await far.call("status", {})).workspaces).toEqual([]);
  const names = await readdir(incoming()).catch(() => []);
  for (const name of names) {
    const found = await stat(join(incoming(), name));
    expect([name, found.isFile(), found.mode & 0o777]).toEqual([name, true, 0o600]);
    const announced = files.find((each) => each.name === name);
    if (announced !== undefined) expect(found.size).toBeLessThanOrEqual(announced.bytes);
    else expect(name).toMatch(/^(?:ram|disk)\.(?:tree|hashes)$/);
  }
}

describe("what is announced", () => {
  it.each<[string, () => Partial<{ manifest: GenerationManifest; files: PushedFile[] }>]>([
    ["another root than follows from the rest", () => ({ manifest: { ...manifest, root: "ab".repeat(32) } })],
    ["no disk", () => ({ files: files.filter(({ name }) => name !== "layer-0").concat(files.slice(0, 1)) })],
    ["a file twice", () => ({ files: [...files, ...files.slice(0, 1)] })],
    ["memory of another size", () => ({ files: files.map((each) => (each.name === "ram" ? { ...each, bytes: 4096 } : each)) })],
    ["a disk that is too large", () => ({ files: files.map((each) => (each.name === "layer-0" ? { ...each, bytes: 1e12 } : each)) })],
    ["a layer without the one above", () => ({ files: files.map((each) => (each.name === "layer-0" ? { ...each, name: "layer-1" } : each)) })],
  ])("is refused with %s", async (_what, change) => {
    expect((await pushing(honest, change())).code).toBe("PEER");
    await untouched();
  });

  it("is refused with a name that leads elsewhere", async () => {
    const evil = { workspace: WORKSPACE, manifest, files: [...files, { name: "../../x", bytes: 1, allocated: 1 }] };
    await link.sendBytes("push", Buffer.from(JSON.stringify(evil)));
    expect((await failure(link.receive())).message).toContain("is not right");
    await untouched();
  });

  it("is refused when it takes more room than there is", async () => {
    const parts = { ...manifest, machine: { ...manifest.machine, diskBytes: 16 * 1024 ** 4 } };
    const big = files.map((each) => (each.name === "layer-0" ? { ...each, bytes: 15 * 1024 ** 4, allocated: 15 * 1024 ** 4 } : each));
    const ended = await pushing(honest, { manifest: { ...parts, root: generationRoot(parts) }, files: big });
    expect(ended.code).toBe("NO_ROOM");
    await untouched();
  });
});

describe("what rsync is made to say", () => {
  it.each(["symlink", "folder", "two files", "a file from elsewhere, by its path", "device"])("cannot lay down anything but the file: %s", async (what) => {
    const evil = join(dir, "evil");
    await rm(evil, { recursive: true, force: true });
    await mkdir(join(evil, "sub"), { recursive: true });
    await writeFile(join(evil, "sub", "x"), "x");
    await symlink("/etc/passwd", join(evil, "link"));
    const args = {
      symlink: ["-l", join(evil, "link")],
      folder: ["-r", join(evil, "sub")],
      "two files": [join(evil, "sub", "x"), join(dir, "mine.pem")],
      "a file from elsewhere, by its path": ["-R", `${evil}/./sub/x`],
      device: ["-D", "/dev/zero"],
    }[what] as string[];
    const ended = await pushing(() => rsync([...SAME, ...args, "peer:ram"]));
    expect(["PEER", "TIMEOUT"]).toContain(ended.code);
    await untouched();
  });

  it("is said to a process with limits, at either end", async () => {
    const own = join(dir, "limits");
    await mkdir(own, { recursive: true });
    await writeFile(join(own, "ram"), "");
    const bytes = 5 * MIB;
    const receiver = await startReceiver(own, "ram", bytes, false);
    const sender = await startSender({ path: join(own, "ram"), name: "ram", bytes }, null, () => undefined);
    try {
      for (const [{ pid }, fileBytes] of [[receiver, bytes], [sender, 0]] as const) {
        // What it is started through has set them before it becomes rsync.
        await expect.poll(() => readFile(`/proc/${pid}/comm`, "utf8"), { timeout: 60_000 }).toBe("rsync\n");
        const limits = await readFile(`/proc/${pid}/limits`, "utf8");
        const both = (what: string, value: number): RegExp => new RegExp(`^${what} +${value} +${value} `, "m");
        expect(limits).toMatch(both("Max file size", fileBytes));
        expect(limits).toMatch(both("Max address space", 1024 * MIB));
        expect(limits).toMatch(both("Max cpu time", 606));
        expect(limits).toMatch(both("Max open files", 64));
        expect(limits).toMatch(both("Max core file size", 0));
        expect(await readFile(`/proc/${pid}/status`, "utf8")).toContain("NoNewPrivs:\t1");
      }
    } finally {
      for (const process of [receiver, sender]) process.kill();
    }
  });

  it("cannot write more than the file has", async () => {
    const long = join(dir, "long");
    // More than the file has, and less than may be said about it.
    await writeFile(long, randomBytes(8 * MIB));
    expect((await pushing((name) => rsync([...SAME, long, `peer:${name}`]))).message).toMatch(/File too large|rsync ended/);
    await untouched();
  });

  it("is nothing that rsync understands", async () => {
    const ended = await pushing(async () => {
      await link.sendBytes("rsync", randomBytes(60_000));
      for await (const piece of link.stream("rsync", "rsyncEnd")) expect(piece.length).toBeGreaterThan(0);
    });
    expect(ended.message).toContain("rsync ended with");
    await untouched();
  });

  it("does not end", async () => {
    const ended = await pushing(async () => {
      // A greeting, and then nothing but "nothing more to say for now".
      await link.sendBytes("rsync", Buffer.from([31, 0, 0, 0]));
      for (;;) await link.sendBytes("rsync", Buffer.alloc(60_000));
    });
    expect(ended.code).toBe("PEER");
    await untouched();
  });
});

describe("what has landed", () => {
  it("is asked for again when it is not what the root says, and then thrown away", async () => {
    const other = join(dir, "other-ram");
    await writeFile(other, randomBytes(MIB));
    await truncate(other, manifest.machine.memoryBytes);
    const asked: string[] = [];
    const ended = await pushing(async (name) => {
      asked.push(name);
      await honest(name, name === "ram" ? other : undefined);
    });
    expect(ended).toMatchObject({ code: "DAMAGED", data: { host: "far" } });
    expect(asked).toEqual(["device", "ram", "layer-0", "ram"]);
    await untouched();
    expect(await readdir(new StatePaths(far.state).incoming)).toEqual([]);
  });

  it("is not opened when it names a file of that host", async () => {
    const layer = join(dir, "backed.qcow2");
    const create = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", join(dir, "mine.pem"), layer, String(MACHINE.diskBytes)];
    await run("qemu-img", create);
    const { size } = await stat(layer);
    const evil = files.map((each) => (each.name === "layer-0" ? { ...each, bytes: size, allocated: size } : each));
    const ended = await pushing((name) => honest(name, name === "layer-0" ? layer : undefined), { files: evil });
    expect(ended.message).toContain("layer-0");
    await untouched();
  });

  it("is mended when it was damaged on that host's disk", async () => {
    let asked = 0;
    await link.send("push", { workspace: WORKSPACE, manifest, files });
    for (let frame = await link.receive(); frame.name !== "pushed"; frame = await link.receive()) {
      const { name } = JSON.parse(frame.payload.toString()) as { name: string };
      await link.send("pushStart", { compress: false });
      // After the memory has landed, before the disk does.
      if (name === "layer-0") await writeFile(join(incoming(), "ram"), "damage", { flag: "r+" });
      if (name === "ram") asked++;
      await honest(name);
    }
    expect(asked).toBe(2);
    await link.close();
    expect((await readFile(new StatePaths(far.state).generation(manifest.root).ram)).equals(await readFile(paths.get("ram") ?? ""))).toBe(true);
  });
});

describe("a host that a generation is pushed to", () => {
  it.each<[string, (theirs: PeerLink) => Promise<void>, RegExp]>([
    ["asks for another file", (theirs) => theirs.send("pushWant", { name: "kernel", landed: 0 }), /asked for kernel, which is no file/],
    ["says that it has another one", (theirs) => theirs.send("pushed", { root: "ab".repeat(32), held: false }), /took another generation/],
    ["talks nonsense to rsync", async (theirs) => {
      await theirs.send("pushWant", { name: "device", landed: 0 });
      await theirs.expect("pushStart");
      await theirs.sendBytes("rsync", randomBytes(60_000));
    }, /rsync ended with/],
    ["talks without end", async (theirs) => {
      await theirs.send("pushWant", { name: "device", landed: 0 });
      await theirs.expect("pushStart");
      for (;;) await theirs.sendBytes("rsync", Buffer.alloc(60_000));
    }, /rsync ended with|sent more than the file could take/],
  ])("gets nothing else when it %s", async (_what, act, message) => {
    const theirs: Promise<void>[] = [];
    const listener = await TlsListener.listen({
      address: { host: "127.0.0.1", port: 0 },
      identity: mine,
      admit: (_id, socket) => {
        const serve = async (): Promise<void> => {
          const peer = await PeerLink.open(socket, { host: "near" });
          await peer.expect("push");
          await act(peer);
        };
        theirs.push(serve().catch(() => undefined));
        return true;
      },
    });
    await far.call("pair", { id: mine.id, address: listener.address, name: "near", rights: RIGHTS });
    const name = `w${String(Math.floor(Math.random() * 1e6))}`;
    await far.call("create", { workspace: name, from: join(dir, "made"), verified: true });
    expect((await failure(far.call("push", { workspace: name, peer: "near" }))).message).toMatch(message);
    await far.call("delete", { workspace: name });
    await Promise.all(theirs);
    await listener.close();
  });
});
