import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { doctorText } from "../../cli/commands/doctor.ts";
import { HomewardError } from "../../common/errors.ts";
import { encodeMessage } from "../../protocol/wire/messages.ts";
import { frameHeader, WIRE_MAGIC, WIRE_VERSION } from "../../protocol/wire.ts";
import { checkRsync, rsyncFinding } from "../../service/doctor/computer.ts";
import { quoted } from "../../service/doctor/finding.ts";
import { mend } from "../../service/doctor/mend.ts";
import { clockFinding } from "../../service/doctor/clocks.ts";
import { checkListening } from "../../service/doctor/listening.ts";
import { checkPeers, findService } from "../../service/doctor/hosts.ts";
import { checkFolders, checkLeftovers, checkSocketPaths } from "../../service/doctor/state-folder.ts";
import { PeerLink } from "../../service/migration/peer-link.ts";
import { takeLock } from "../../service/store/lock.ts";
import { StatePaths } from "../../service/store/paths.ts";
import { Store } from "../../service/store/store.ts";
import { HOSTS, SERVICE_STATUS } from "./cli-reports.ts";
import { FakeService } from "./control-fake-service.ts";

let dir: string;
let server: Server | null = null;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-doctor-"));
});
afterEach(async () => {
  await new Promise<void>((resolve) => {
    if (server === null) resolve();
    else
      server.close(() => {
        resolve();
      });
  });
  server = null;
  await rm(dir, { recursive: true, force: true });
});

describe("rsync", () => {
  const said = (version: string, choices = "zstd lz4 zlibx zlib none"): string =>
    `rsync  version ${version}  protocol version 31\nChecksum list:\n    xxh128 md5\nCompress list:\n    ${choices}\nDaemon auth list:\n    zstd\n`;

  it.each<[string | null, "ok" | "warning", string]>([
    [said("3.2.0"), "ok", "3.2.0"],
    [said("v3.5.0"), "ok", "3.5.0"],
    [said("4.0.1pre1"), "ok", "4.0.1pre1"],
    [said("3.1.3"), "warning", "3.1.3"],
    [said("2.9.9"), "warning", "2.9.9"],
    [said("3.2.7", "lz4 zlibx zlib none"), "warning", "3.2.7, without zstd"],
    ["openrsync: protocol 29", "warning", "no rsync that Homeward knows"],
    ["", "warning", "no rsync that Homeward knows"],
    [null, "warning", "missing"],
  ])("%j is %s", (words, severity, found) => {
    expect(rsyncFinding(words)).toMatchObject({ severity, found });
  });

  it("is looked at where it is", async () => {
    expect(await checkRsync(undefined)).toMatchObject({ severity: "ok" });
  });
});

describe("folders", () => {
  it("are fine when they are private, or not there yet", async () => {
    expect(await checkFolders(dir)).toMatchObject({ severity: "ok", hint: null, command: null });
    expect(await checkFolders(join(dir, "later"))).toMatchObject({ severity: "ok" });
  });

  it("are a problem when others may look in", async () => {
    await chmod(dir, 0o755);
    expect(await checkFolders(dir)).toMatchObject({ severity: "problem", command: `chmod 700 ${dir}` });
    await chmod(dir, 0o700);
    await writeFile(new StatePaths(dir).database, "", { mode: 0o644 });
    expect(await checkFolders(dir)).toMatchObject({ severity: "problem", command: `chmod 600 ${join(dir, "homeward.db")}` });
  });

  it("are a problem when they are files", async () => {
    await writeFile(join(dir, "file"), "");
    expect(await checkFolders(join(dir, "file"))).toMatchObject({ severity: "problem" });
  });

  it("need short paths", async () => {
    expect(await checkSocketPaths(dir)).toMatchObject({ severity: "ok" });
    expect(await checkSocketPaths(join(dir, "x".repeat(100)))).toMatchObject({ severity: "problem" });
  });

  it("show what a crash left", async () => {
    const paths = new StatePaths(dir);
    expect(await checkLeftovers(dir)).toMatchObject({ severity: "ok" });
    await writeFile(paths.control, "");
    expect(await checkLeftovers(dir)).toMatchObject({ severity: "warning", found: expect.stringContaining("control.sock") as string });
    await mkdir(join(paths.incoming, "seal-1"), { recursive: true });
    await writeFile(join(paths.incoming, "seal-1", "ram"), Buffer.alloc(100_000, 1));
    const found = await checkLeftovers(dir);
    expect(found).toMatchObject({ severity: "warning", command: `homeward serve --detach --state ${dir}` });
    expect(found.found).toMatch(/^1 left .* 1\d\d kB: .*seal-1$/);
  });
});

describe("mending", () => {
  const generation = `new-${"ab".repeat(32)}`;
  const unfinished = "import-5f0c6f5e-7a05-4d0a-9d39-0f2c1b6a7e11";

  /** A state folder after a service was killed; other users may look in. */
  async function neglected(): Promise<StatePaths> {
    const paths = new StatePaths(dir);
    await (await Store.open(dir, "laptop")).close();
    for (const made of [join(paths.generations, generation), join(paths.incoming, unfinished), paths.incomingOf("5f0c6f5e")])
      await mkdir(made);
    await writeFile(join(paths.incomingOf("5f0c6f5e"), "ram"), "the only copy", { mode: 0o640 });
    server = createServer();
    await new Promise<void>((resolve) => server?.listen(paths.control, resolve));
    await symlink("/etc/passwd", join(dir, "link"));
    for (const open of [dir, paths.incoming]) await chmod(open, 0o755);
    return paths;
  }

  it("closes what is open, and removes what nobody goes on with", async () => {
    const paths = await neglected();
    const done = await mend(dir);
    expect(done.filter((what) => what.startsWith("closed")).map((what) => what.split(" ")[1])).toEqual(
      expect.arrayContaining([dir, paths.incoming, join(paths.incomingOf("5f0c6f5e"), "ram")]),
    );
    expect(done.filter((what) => what.startsWith("removed")).sort()).toEqual(
      [paths.control, join(paths.generations, generation), join(paths.incoming, unfinished)].map((path) => `removed ${path}`).sort(),
    );
    expect(await readFile(join(paths.incomingOf("5f0c6f5e"), "ram"), "utf8")).toBe("the only copy");
    expect((await stat("/etc/passwd")).mode & 0o044).toBe(0o044);
    expect(await checkFolders(dir)).toMatchObject({ severity: "ok" });
    expect(await mend(dir)).toEqual([]);
  });

  it("removes nothing while a service works there", async () => {
    const paths = await neglected();
    const unlock = await takeLock(paths.lock);
    expect((await mend(dir)).filter((what) => what.startsWith("removed"))).toEqual([]);
    await unlock();
    expect(await readdir(paths.generations)).toEqual([generation]);
  });

  it("makes nothing where there is nothing", async () => {
    expect(await mend(join(dir, "later"))).toEqual([]);
    expect(await readdir(dir)).toEqual([]);
  });
});

describe("commands", () => {
  it("quote what a shell would take apart", () => {
    expect(quoted("/home/me/state-1")).toBe("/home/me/state-1");
    expect(quoted("/home/it's me")).toBe("'/home/it'\\''s me'");
  });
});

describe("the service", () => {
  it("is found when it runs, with the hosts it knows", async () => {
    const service = await FakeService.start({ status: () => Promise.resolve(SERVICE_STATUS) });
    const { finding, running, known, listening } = await findService(service.dir);
    await service.stop();
    expect(listening).toEqual({ socket: null, tls: null });
    expect(finding).toMatchObject({ severity: "ok", found: "running as laptop, process 42" });
    expect([running, known]).toEqual([true, { host: "laptop", peers: SERVICE_STATUS.peers }]);
  });

  it("is missed, and the hosts of the last one are read from its database", async () => {
    expect(await findService(dir)).toMatchObject({ running: false, known: null });
    const store = await Store.open(dir, "laptop");
    store.setPeer("home", "/tmp/home.sock");
    await store.close();
    const { finding, known } = await findService(dir);
    expect(finding).toMatchObject({ severity: "warning", command: `homeward serve --detach --state ${dir}` });
    expect(known).toEqual({ host: "laptop", peers: [{ name: "home", address: "/tmp/home.sock" }] });
  });

  it("is a problem when it lives and does not answer", async () => {
    const unlock = await takeLock(new StatePaths(dir).lock);
    const { finding, running } = await findService(dir);
    await unlock();
    expect(finding).toMatchObject({ severity: "problem", command: `kill ${process.pid}` });
    expect(running).toBe(true);
  });
});

describe("another host", () => {
  const address = (): string => join(dir, "peer.sock");

  async function listen(accept: (socket: Socket) => void): Promise<void> {
    server = createServer((socket) => {
      socket.on("error", () => undefined);
      accept(socket);
    });
    await new Promise<void>((resolve) => server?.listen(address(), resolve));
  }

  async function look(name = "home"): Promise<unknown> {
    const [entry] = await checkPeers({ host: "laptop", peers: [{ name, address: address() }] }, null);
    expect(entry?.[0]).toBe(`host ${name}`);
    return entry?.[1];
  }

  it("that answers is fine", async () => {
    await listen((socket) => void PeerLink.open(socket, { host: "home" }).catch(() => undefined));
    expect(await look()).toMatchObject({ severity: "ok", found: expect.stringMatching(/^answers in .* clocks agree$/) as string });
  });

  it("that has another name is a problem", async () => {
    await listen((socket) => void PeerLink.open(socket, { host: "home" }).catch(() => undefined));
    expect(await look("office")).toMatchObject({ severity: "problem", found: expect.stringContaining("calls itself home") as string });
  });

  it("whose clock is wrong is a warning", async () => {
    await listen((socket) => {
      const time = new Date(Date.now() - 3_600_000).toISOString();
      const payload = encodeMessage("hello", { magic: WIRE_MAGIC, version: WIRE_VERSION, host: "home", time });
      socket.write(Buffer.concat([frameHeader("hello", payload.length), payload]));
      // Two pings are asked.
      socket.write(Buffer.concat([frameHeader("pong", 0)]));
      socket.on("data", () => socket.write(frameHeader("pong", 0)));
    });
    expect(await look()).toMatchObject({
      severity: "warning",
      found: expect.stringMatching(/its clock is (59 min|1 h).* behind$/) as string,
      command: "sudo timedatectl set-ntp true",
    });
  });

  it("that does not know this one says so", async () => {
    await listen((socket) => {
      void PeerLink.open(socket, { host: "home" }).then((link) =>
        link.abort(new HomewardError("PEER", "home does not know a host laptop", { hint: "Start it with --peer laptop=ADDRESS." })),
      );
    });
    expect(await look()).toMatchObject({
      severity: "warning",
      found: expect.stringContaining("home does not know a host laptop") as string,
      hint: "Start it with --peer laptop=ADDRESS.",
    });
  });

  it("that is off is a warning", async () => {
    expect(await look()).toMatchObject({ severity: "warning", found: expect.stringContaining("cannot be reached") as string });
  });
});

describe("clocks", () => {
  it.each<[roundTripMs: number, aheadMs: number | null, "ok" | "warning", RegExp]>([
    [2, 0, "ok", /^answers in 2 ms, and the clocks agree$/],
    [2, 4900, "ok", /agree$/],
    [2, -4900, "ok", /agree$/],
    [2, 5100, "warning", /its clock is 5\.1 s ahead$/],
    [2, -5100, "warning", /its clock is 5\.1 s behind$/],
    // Said six seconds ago, perhaps.
    [6000, -10_900, "ok", /agree$/],
    [6000, -11_100, "warning", /its clock is 8\.1 s behind$/],
    // A time that was ahead when it came is ahead by at least as much.
    [6000, 5100, "warning", /its clock is 8\.1 s ahead$/],
    [2, null, "ok", /does not tell its time$/],
  ])("round trip %j ms, %j ms ahead: %s", (roundTripMs, aheadMs, severity, found) => {
    const command = severity === "ok" ? null : "sudo timedatectl set-ntp true";
    expect(clockFinding(roundTripMs, aheadMs)).toMatchObject({ severity, command, found: expect.stringMatching(found) as string });
  });
});

describe("a paired host", () => {
  /** Looks at a host at an address, which this host's service asked. */
  async function look(address: string, answers: Partial<typeof HOSTS> | null): Promise<unknown> {
    const asked: unknown[] = [];
    const service = await FakeService.start(
      answers === null
        ? {}
        : {
            hosts: (params) => {
              asked.push(params);
              return Promise.resolve({ ...HOSTS, ...answers });
            },
          },
    );
    const [entry] = await checkPeers({ host: "laptop", peers: [{ name: "home", address }] }, service.socket);
    await service.stop();
    if (answers !== null) expect(asked).toEqual([{ ask: true }]);
    return entry?.[1];
  }

  async function listen(): Promise<string> {
    const listening = createServer((socket) => socket.on("error", () => undefined));
    server = listening;
    await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
    return `127.0.0.1:${(listening.address() as AddressInfo).port}`;
  }

  const room = { host: "home", diskBytes: 1, memoryBytes: 1 };

  it("is asked for its time by the service", async () => {
    const agreed = [{ ...room, clock: { aheadMs: -3, roundTripMs: 8 } }];
    expect(await look("127.0.0.1:9", { rooms: agreed })).toMatchObject({ severity: "ok", found: "answers in 8 ms, and the clocks agree" });
    const late = [{ ...room, clock: { aheadMs: -61_000, roundTripMs: 8 } }];
    const finding = { severity: "warning", found: expect.stringMatching(/behind$/) as string, command: "sudo timedatectl set-ntp true" };
    expect(await look("ssh://home.example", { rooms: late })).toMatchObject(finding);
  });

  it("that takes connections and does not answer the service is a warning", async () => {
    expect(await look(await listen(), { silent: ["home"] })).toMatchObject({ severity: "warning", hint: expect.stringContaining("paired this host") as string });
    expect(await look("ssh://home.example", { silent: ["home"] })).toMatchObject({ severity: "warning" });
  });

  it("is looked at without its clock where no service can ask it", async () => {
    const address = await listen();
    const unsaid = { severity: "ok", found: expect.stringContaining("its clock was not looked at") as string };
    expect(await look(address, null)).toMatchObject(unsaid);
    const found = await checkPeers({ host: "laptop", peers: [{ name: "home", address }, { name: "far", address: "ssh://far" }] }, null);
    expect(found).toMatchObject([["host home", unsaid], ["host far", unsaid]]);
  });
});

describe("listening", () => {
  async function listenOn(place: { readonly path: string } | { readonly host: string; readonly port: number }): Promise<number> {
    const listening = createServer((socket) => socket.on("error", () => undefined));
    server = listening;
    await new Promise<void>((resolve) => listening.listen(place, resolve));
    const address = listening.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  async function close(): Promise<void> {
    await new Promise((resolve) => server?.close(resolve));
    server = null;
  }

  it("is not looked at without a service, and needs nothing where none was wanted", async () => {
    expect(await checkListening(null)).toMatchObject({ severity: "ok", found: expect.stringContaining("not looked at") as string });
    expect(await checkListening({ socket: null, tls: null })).toMatchObject({ severity: "ok", found: expect.stringContaining("--listen") as string });
  });

  it.each(["127.0.0.1", "0.0.0.0"])("is tried at %s, and a problem when nothing answers there", async (host) => {
    const tls = `${host}:${await listenOn({ host, port: 0 })}`;
    expect(await checkListening({ socket: null, tls })).toMatchObject({ severity: "ok", found: `takes connections at ${tls}` });
    await close();
    expect(await checkListening({ socket: null, tls })).toMatchObject({
      severity: "problem",
      found: expect.stringContaining(`nothing takes connections at ${tls} (`) as string,
      command: "homeward shutdown",
    });
  });

  it("is a problem when the socket has been taken away, and says which of two it is", async () => {
    const path = join(dir, "laptop.sock");
    await listenOn({ path });
    expect(await checkListening({ socket: path, tls: null })).toMatchObject({ severity: "ok" });
    const { found } = await checkListening({ socket: path, tls: "127.0.0.1:1" });
    expect(found).toMatch(/^nothing takes connections at 127\.0\.0\.1:1 \(/);
    await rm(path);
    expect(await checkListening({ socket: path, tls: null })).toMatchObject({ severity: "problem", found: expect.stringContaining(path) as string });
  });
});

describe("doctorText", () => {
  it("has a line for each finding, and what to do below it", () => {
    const text = doctorText({
      ok: false,
      mended: ["closed /x"],
      checks: [
        { name: "QEMU", severity: "ok", found: "7.2.22", hint: null, command: null },
        { name: "/dev/shm", severity: "warning", found: "small", hint: "Enlarge it.", command: "mount X" },
        { name: "permissions", severity: "problem", found: "open\u001b[2J", hint: "Close it.", command: null },
      ],
    });
    expect(text).toBe(
      [
        "mended   closed /x",
        "",
        "ok       QEMU: 7.2.22",
        "WARNING  /dev/shm: small",
        "         Enlarge it.",
        "           mount X",
        "PROBLEM  permissions: open [2J",
        "         Close it.",
        "",
        "1 problem, 1 warning.",
      ].join("\n"),
    );
  });
});
