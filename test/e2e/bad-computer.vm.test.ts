import { access, chmod, mkdir, readFile, readdir, rm, statfs, symlink, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { MigrationReport } from "../../protocol/report.ts";
import { TwoHosts, WORKSPACE, eventually, failure, stillPicture, type, type TestHost } from "./migration-hosts.ts";
import { expectUnharmed, refusal, savedState, settled, type Saved } from "./unharmed.ts";

const QEMU = "qemu-system-x86_64";
/** QEMU's programs, and what QEMU is started through. */
const TOOLS = [QEMU, "qemu-img", "qemu-nbd", "cp", "setpriv", "prlimit", "nice", "unshare", "sh", "mount", "sleep", "slirp4netns"];
const MB = 1_000_000;

let hosts: TwoHosts;
let before: Saved;

/** Something is done and then suspended: a state with a past. */
async function workAndSuspend(): Promise<void> {
  const { near } = hosts;
  await near.call("start", { workspace: WORKSPACE });
  const console = await near.console();
  await stillPicture(console);
  // Several times, so that replaying it takes a while.
  for (let line = 1; line <= 3; line++) {
    await type(console, `seq ${String(line)} 3000 | sort > sorted; ls\n`);
    await stillPicture(console);
  }
  console.close();
  await near.call("suspend", { workspace: WORKSPACE });
  before = await savedState(near);
}

beforeAll(async () => {
  hosts = await TwoHosts.create();
  await workAndSuspend();
});
afterAll(async () => {
  await hosts.end();
});
afterEach(() => {
  hosts.relay.trap = null;
});

function migrate(mode: "replay" | "overlay" = "overlay", onPhase?: (phase: string) => void): Promise<MigrationReport> {
  const options = onPhase === undefined ? {} : { onProgress: ({ phase }: { phase: string }) => { onPhase(phase); } };
  return hosts.near.call("migrate", { workspace: WORKSPACE, peer: "far", mode, hold: true }, options);
}

async function find(program: string): Promise<string> {
  for (const dir of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(dir, program);
    const found = await access(path).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  throw new Error(`there is no ${program}`);
}

/** A PATH with these programs of QEMU's and no others; a script stands in for one. */
async function pathWith(name: string, programs: Readonly<Record<string, string | true>>): Promise<string> {
  const dir = join(hosts.dir, `path-${name}`);
  await mkdir(dir);
  for (const [program, script] of Object.entries(programs)) {
    const at = join(dir, program);
    if (script === true) await symlink(await find(program), at);
    else {
      await writeFile(at, `#!/bin/sh\n${script}\n`);
      await chmod(at, 0o755);
    }
  }
  return dir;
}

function without(...missing: string[]): Record<string, true> {
  return Object.fromEntries(TOOLS.filter((tool) => !missing.includes(tool)).map((tool) => [tool, true] as const));
}

/** A QEMU that dies at once while the file `flag` is there. */
async function frailQemu(name: string): Promise<{ readonly path: string; readonly flag: string }> {
  const flag = join(hosts.dir, `frail-${name}`);
  const script = `case "$*" in *-incoming*) [ -e "${flag}" ] && { echo "out of luck" >&2; exit 1; };; esac\nexec ${await find(QEMU)} "$@"`;
  return { path: await pathWith(name, { ...without(QEMU), [QEMU]: script }), flag };
}

/** Process ids of the QEMUs of a host whose arguments contain `word`. */
async function qemus(word: string): Promise<number[]> {
  const found: number[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const args = await readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "");
    if (args.includes(QEMU) && args.includes(word) && args.includes(hosts.far.state)) found.push(Number(pid));
  }
  return found;
}

describe("a computer that lacks something", () => {
  it.each<[string, "near" | "far", Record<string, string | true>, object]>([
    ["QEMU", "far", without(QEMU), refusal("ENVIRONMENT", /far: cannot start qemu-system-x86_64/, /goes on here.*doctor/)],
    [
      "a QEMU that is new enough",
      "far",
      { ...without(QEMU), [QEMU]: "echo QEMU emulator version 5.2.0" },
      refusal("INCOMPATIBLE", /far: desk was made with QEMU 7\.2; this computer has 5\.2/, /Install QEMU 7\.2/),
    ],
    ["qemu-img", "far", without("qemu-img"), refusal("ENVIRONMENT", /far: cannot start qemu-img/)],
    ["qemu-nbd", "far", without("qemu-nbd"), refusal("ENVIRONMENT", /far: cannot start qemu-nbd/)],
    ["slirp4netns", "far", without("slirp4netns"), refusal("ENVIRONMENT", /far: this computer cannot give a machine a network.*slirp4netns/, /doctor/)],
    ["qemu-nbd", "near", without("qemu-nbd"), refusal("ENVIRONMENT", /^cannot start qemu-nbd/, /goes on here.*doctor/)],
  ])("%s, on %s, is named, and nothing is lost", async (what, where, programs, expected) => {
    const host: TestHost = hosts[where];
    await host.restart({ path: await pathWith(`${where}-no-${what.replaceAll(" ", "-")}`, programs) });
    const phases: string[] = [];
    expect(await failure(migrate("replay", (phase) => phases.push(phase)))).toMatchObject(expected);
    if (what.includes("QEMU")) expect(phases).not.toContain("suspend");
    await expectUnharmed(hosts, before);
    await host.restart();
  });
});

describe("a QEMU that dies", () => {
  it("as a twin, in the middle of the replay, costs bytes only", async () => {
    let killed = 0;
    const report = await migrate("replay", (phase) => {
      if (phase !== "replay" || killed > 0) return;
      killed++;
      void qemus("twin-").then((pids) => {
        for (const pid of pids) process.kill(pid, "SIGKILL");
      });
    });
    expect(killed).toBe(1);
    expect(report).toMatchObject({ verified: true, owner: "far", replay: null });
    expect(report.notes.join()).toMatch(/the replay failed: QEMU ended during the replay/);
    await settled(hosts);
    expect(await hosts.far.workspace()).toMatchObject({ owner: "here", state: "suspended" });
  });

  it("as it resumes at the destination leaves it there, suspended, to be started again", async () => {
    const { near, far } = hosts;
    const { path, flag } = await frailQemu("near");
    await near.restart({ path });
    await writeFile(flag, "");
    const report = await far.call("migrate", { workspace: WORKSPACE, peer: "near", mode: "overlay" });
    expect(report).toMatchObject({ verified: true, owner: "near" });
    expect(report.notes.join()).toMatch(/desk was moved but did not start: .*out of luck/);
    expect(await near.workspace()).toMatchObject({ owner: "here", state: "suspended", base: report.root_source });
    expect(await far.workspace()).toMatchObject({ owner: "near", state: "away" });
    expect(await failure(near.call("start", { workspace: WORKSPACE }))).toMatchObject(refusal("GUEST", /out of luck/, /./));
    expect(await near.workspace()).toMatchObject({ state: "suspended", base: report.root_source });
    await rm(flag);
    await workAndSuspend();
    await near.restart();
  });

  it("or is never ready as a twin is left out", async () => {
    const { path, flag } = await frailQemu("far");
    await hosts.far.restart({ path });
    await writeFile(flag, "");
    const report = await migrate("replay");
    expect(report).toMatchObject({ verified: true, owner: "far", replay: null });
    expect(report.notes.join()).toMatch(/the twin could not be used: .*out of luck/);
    await rm(flag);
    await hosts.far.call("migrate", { workspace: WORKSPACE, peer: "near", mode: "overlay", hold: true });
    expect(await hosts.near.workspace()).toMatchObject({ owner: "here", state: "suspended" });
    await workAndSuspend();
  });
});

describe("a QEMU that dies while its machine is about to be suspended", () => {
  it("is a machine that is off, at the source, with its disk", async () => {
    const { near } = hosts;
    await near.call("start", { workspace: WORKSPACE });
    const { pid } = await near.workspace();
    hosts.relay.trap = {
      from: "answerer",
      frame: "accept",
      then: () => {
        process.kill(Number(pid), "SIGKILL");
        return Promise.resolve("pass");
      },
    };
    expect(["GUEST", "CONFLICT"]).toContain((await failure(migrate())).code);
    await settled(hosts);
    await eventually("it is off", async () => (await near.workspace()).state === "off");
    expect(await near.workspace()).toMatchObject({ owner: "here", pid: null, note: expect.stringMatching(/QEMU ended/) as string });
    await near.call("start", { workspace: WORKSPACE });
  });
});

describe("a disk without room", () => {
  const filler = (): string => join(hosts.far.files, "filler");

  /** Leaves so many bytes free on the destination's disk. */
  async function leave(bytes: number): Promise<void> {
    await rm(filler(), { force: true });
    const { bavail, bsize } = await statfs(hosts.far.files);
    const length = bavail * bsize - bytes;
    expect(length).toBeGreaterThan(0);
    try {
      await writeFile(filler(), Buffer.alloc(length));
    } catch (error) {
      // The host itself was quicker to take the last of it.
      if (bytes > 0 || (error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    }
  }

  beforeAll(async () => {
    const { near, far } = hosts;
    const copy = join(hosts.dir, "again");
    await near.call("start", { workspace: WORKSPACE });
    await near.call("seal", { workspace: WORKSPACE, export: copy });
    await workAndSuspend();
    await far.end();
    await far.start({ roomBytes: 800 * MB });
    await far.call("create", { workspace: WORKSPACE, from: copy, owner: "near", verified: true });
    await rm(copy, { recursive: true });
  });

  it("refuses before anything is suspended", async () => {
    await leave(90 * MB);
    const phases: string[] = [];
    expect(await failure(migrate("overlay", (phase) => phases.push(phase)))).toMatchObject(
      refusal("NO_ROOM", /far has too little disk space for desk/, /desk goes on here, nothing was lost. Free \d+ MB on far/),
    );
    expect(phases).not.toContain("suspend");
    await expectUnharmed(hosts, before);
  });

  it.each(["indexEnd", "manifest", "residual", "residualEnd"] as const)(
    "that runs full when %s arrives keeps the workspace at the source",
    async (frame) => {
      await rm(filler(), { force: true });
      hosts.relay.trap = {
        from: "caller",
        frame,
        then: async () => {
          await leave(0);
          return "pass";
        },
      };
      const error = await failure(migrate());
      expect(error).toMatchObject(refusal("NO_ROOM", /far/));
      await rm(filler());
      await expectUnharmed(hosts, before);
    },
  );

  it("for a twin leaves the replay out, and says so", async () => {
    await rm(filler(), { force: true });
    const { memoryBytes } = await hosts.far.workspace();
    // Enough for one copy of the memory, the device state and what is to stay free, not for two copies.
    await leave(memoryBytes + memoryBytes / 2 + 100 * MB);
    const report = await migrate("replay");
    expect(report).toMatchObject({ verified: true, owner: "far", replay: null });
    expect(report.notes.join()).toMatch(/the replay was left out: far has \d+ MB of disk space too little for it/);
  });
});
