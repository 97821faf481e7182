import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exited, start, type ChildProcess } from "../../common/spawn.ts";
import { buildGuest } from "../../guests/build.ts";
import { RfbClient } from "../../vm/rfb/rfb-client.ts";
import { eventually, promptShown, removeRunFolders, TestHost, type } from "./migration-hosts.ts";

/**
 * A service on a computer of its own, as far as networks go: its loopback has one listener, and an address of the outside
 * world (RFC 5737) another.
 */
const WORLD = "198.51.100.1";
const PORTS = { loopback: 7001, world: 7002 } as const;
const isRoot = process.getuid?.() === 0;
const COMPUTER = [
  "unshare",
  ...(isRoot ? [] : ["--user", "--map-root-user"]),
  ...["--net", "--", "sh", "-c", `ip link set lo up && ip addr add ${WORLD}/32 dev lo && exec "$@"`, "sh"],
];
/** Starts a program on the computer that this process is on. */
function inside(pid: number | undefined): string[] {
  return ["nsenter", "--target", String(pid), "--net", ...(isRoot ? [] : ["--user", "--preserve-credentials"]), "--"];
}

/** Listens on both, and prints what comes, with the name of where it came. */
const LISTENER = `
const { createServer } = require("node:net");
const listen = (name, port, host) => createServer((socket) => {
  console.log(name + ": connected");
  socket.on("error", () => undefined).on("data", (data) => console.log(name + ": " + String(data).trim()));
}).listen(port, host, () => console.log(name + ": listens"));
listen("loopback", ${String(PORTS.loopback)}, "127.0.0.1");
listen("world", ${String(PORTS.world)}, "${WORLD}");`;

let dir: string;
let host: TestHost;
let listener: ChildProcess;
const heard: string[] = [];

/** What the listener printed so far, apart from that it listens, once it has printed `line`. */
async function heardUntil(line: string): Promise<string[]> {
  await eventually(line, () => Promise.resolve(heard.includes(line)), 120_000);
  return heard.splice(0).filter((each) => !each.endsWith("listens"));
}

async function enterLine(workspace: string, line: string): Promise<void> {
  const { path } = await host.call("console", { workspace });
  const viewer = await RfbClient.connect(path);
  await promptShown(viewer);
  await type(viewer, line);
  viewer.close();
}

/** Programs that keep the network of the process with this number up. */
async function uplinks(pid: number | null): Promise<number> {
  let count = 0;
  for (const each of await readdir("/proc")) {
    const args = /^\d+$/.test(each) ? await readFile(`/proc/${each}/cmdline`, "utf8").catch(() => "") : "";
    if (args.startsWith("slirp4netns\0") && args.split("\0").includes(String(pid))) count++;
  }
  return count;
}

async function pidOf(workspace: string): Promise<number | null> {
  const { workspaces } = await host.call("status", {});
  return workspaces.find(({ name }) => name === workspace)?.pid ?? null;
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-net-"));
  host = new TestHost(dir, "near", "paired");
  await host.start({ through: COMPUTER });
  const [enter = "", ...where] = inside(host.pid);
  listener = await start(enter, [...where, process.execPath, "-e", LISTENER]);
  createInterface({ input: listener.stdout as NonNullable<ChildProcess["stdout"]> }).on("line", (line) => heard.push(line));
  await eventually("both listen", () => Promise.resolve(heard.length === 2));
  const { dir: from } = await buildGuest("tiny");
  await host.call("create", { workspace: "apart", from, accelerator: "tcg" });
  await host.call("create", { workspace: "trusted", from, accelerator: "tcg", hostLoopback: true });
  for (const workspace of ["apart", "trusted"]) await host.call("start", { workspace });
});
afterAll(async () => {
  listener.kill("SIGKILL");
  await exited(listener);
  await host.end();
  await removeRunFolders(host.state);
  await rm(dir, { recursive: true, force: true });
});

describe("a guest's network", () => {
  it("has the outside in it, and not what listens on this computer's loopback", async () => {
    const tries = ["10.0.2.2", "198.19.255.2"].map((to) => `echo bad | nc -w 5 ${to} ${String(PORTS.loopback)}`);
    await enterLine("apart", `${tries.join("; ")}; echo good | nc ${WORLD} ${String(PORTS.world)}\n`);
    // One after the other: when the last has come, the others would have.
    expect(await heardUntil("world: good")).toEqual(["world: connected", "world: good"]);
  });

  it("has that in it where the workspace was made so", async () => {
    await enterLine("trusted", `echo mine | nc 10.0.2.2 ${String(PORTS.loopback)}\n`);
    expect(await heardUntil("loopback: mine")).toEqual(["loopback: connected", "loopback: mine"]);
    expect((await host.call("status", {})).workspaces.map(({ hostLoopback }) => hostLoopback)).toEqual([false, true]);
    expect(await uplinks(await pidOf("trusted"))).toBe(0);
  });

  it("outlives the service, goes on after a suspend, and leaves nothing when the machine is off", async () => {
    const pid = await pidOf("apart");
    expect(await uplinks(pid)).toBe(1);
    await host.restart({ through: inside(listener.pid) });
    expect(await pidOf("apart")).toBe(pid);
    await enterLine("apart", `reset; echo again | nc ${WORLD} ${String(PORTS.world)}\n`);
    expect(await heardUntil("world: again")).toContain("world: again");
    await host.call("suspend", { workspace: "apart" });
    await eventually("its network is gone", async () => (await uplinks(pid)) === 0);
    await host.call("start", { workspace: "apart" });
    const resumed = await pidOf("apart");
    expect(await uplinks(resumed)).toBe(1);
    await enterLine("apart", `reset; echo bad | nc -w 5 10.0.2.2 ${String(PORTS.loopback)}; echo more | nc ${WORLD} ${String(PORTS.world)}\n`);
    expect(await heardUntil("world: more")).toEqual(["world: connected", "world: more"]);
    await host.call("power", { workspace: "apart", action: "off" });
    await eventually("its network is gone", async () => (await uplinks(resumed)) === 0);
  });
});
