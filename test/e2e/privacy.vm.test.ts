import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readableEvents, type InputEvent } from "../../protocol/input-log.ts";
import { LogStore } from "../../recorder/log-store.ts";
import { StatePaths } from "../../service/store/paths.ts";
import { keyForName } from "../../vm/rfb/keymap.ts";
import type { RfbClient } from "../../vm/rfb/rfb-client.ts";
import { TwoHosts, WORKSPACE, eventually, stillPicture, type, type TestHost } from "./migration-hosts.ts";

const desk = { workspace: WORKSPACE };

let hosts: TwoHosts;
beforeAll(async () => {
  hosts = await TwoHosts.create();
});
afterAll(async () => {
  await hosts.end();
});

async function typeLine(host: TestHost, line: string): Promise<void> {
  const viewer = await host.console();
  await type(viewer, `${line}\n`);
  await stillPicture(viewer);
  viewer.close();
}

function pressPauseKey(viewer: RfbClient): void {
  const keys = ["ctrl", "alt", "shift", "f12"].map((name) => keyForName(name));
  for (const { keysym, keycode } of keys) viewer.key(true, keysym, keycode);
  for (const { keysym, keycode } of keys.reverse()) viewer.key(false, keysym, keycode);
}

/** All that is in the input logs of a host's workspace, decrypted. */
async function recorded(host: TestHost): Promise<InputEvent[]> {
  const paths = new StatePaths(host.state);
  const events: InputEvent[] = [];
  for (const name of await readdir(paths.logKeys)) {
    const [id = "", root = ""] = name.split("-");
    const log = LogStore.open(paths.workspace(WORKSPACE).inputLog, { dir: paths.logKeys, workspace: id });
    const readable = readableEvents(await log.segments(root), (error) => {
      throw error;
    });
    for await (const event of readable) events.push(event);
    await log.close();
  }
  return events;
}

function typedIn(events: readonly InputEvent[]): string {
  return events
    .flatMap((event) => (event.kind === "key" && event.down && event.keysym < 256 ? [String.fromCharCode(event.keysym)] : []))
    .join("");
}

/** Files and folders below that anyone but their owner may do something with, and how many there are in all. */
async function open(path: string): Promise<{ readonly open: string[]; readonly all: number }> {
  const found = await lstat(path).catch(() => null);
  if (found === null) return { open: [], all: 0 };
  // Of a link only what it leads to counts.
  const isOpen = !found.isSymbolicLink() && (found.mode & 0o077) !== 0;
  const below = found.isDirectory() ? await Promise.all((await readdir(path)).map((name) => open(join(path, name)))) : [];
  return {
    open: [...(isOpen ? [`${(found.mode & 0o777).toString(8)} ${path}`] : []), ...below.flatMap((part) => part.open)],
    all: 1 + below.reduce((sum, { all }) => sum + all, 0),
  };
}

async function requireClosed(host: TestHost): Promise<void> {
  const { runName } = new StatePaths(host.state);
  const run = [`/run/user/${String(process.getuid?.())}`, "/tmp", "/dev/shm"].map((parent) => join(parent, runName));
  const looks = await Promise.all([host.state, ...run].map((folder) => open(folder)));
  expect(looks.flatMap((look) => look.open)).toEqual([]);
  // That of a state folder, and sockets or RAM in at least one of the others.
  expect(looks[0]?.all).toBeGreaterThan(20);
}

describe("what a recording holds", () => {
  it("is nothing of a pause, which outlasts the service and its host", async () => {
    const { near, far } = hosts;
    await typeLine(near, "echo in public");
    const viewer = await near.console();
    pressPauseKey(viewer);
    viewer.close();
    await eventually("it is paused", async () => (await near.workspace()).recordingPaused);
    await typeLine(near, "echo swordfish > secret");
    await near.restart();
    expect(await near.workspace()).toMatchObject({ state: "running", recordingPaused: true, log: { recording: false } });
    await typeLine(near, "echo opensesame >> secret");
    const resumed = await near.call("record", { ...desk, action: "resume" });
    expect(resumed).toMatchObject({ recordingPaused: false, log: { recording: true } });
    await typeLine(near, "echo again");
    await near.call("log", desk);

    const events = await recorded(near);
    const typed = typedIn(events);
    expect(typed).toContain("echo in public");
    expect(typed).toContain("echo again");
    expect(typed).not.toMatch(/swordfish|opensesame|secret/);
    const marks = events.flatMap((event, at) => (event.kind === "mark" ? [[event.mark, at] as const] : []));
    const [paused = 0, resumedAt = 0] = ["record-pause", "record-resume"].map((name) => marks.find(([mark]) => mark === name)?.[1]);
    expect(paused).toBeGreaterThan(0);
    // No picture either, nor anything else.
    expect(events.slice(paused, resumedAt).every((event) => event.kind === "mark")).toBe(true);
    expect(events.some(({ kind }) => kind === "checkpoint")).toBe(true);
    const { dir } = new StatePaths(near.state).workspace(WORKSPACE);
    for (const name of (await readdir(dir)).filter((file) => file.startsWith("input-log")))
      expect((await readFile(join(dir, name))).includes("HWIL"), name).toBe(false);

    await near.call("record", { ...desk, action: "pause" });
    const report = await near.call("migrate", { ...desk, peer: "far", mode: "replay" });
    expect(report).toMatchObject({ verified: true, root_destination: report.root_source, owner: "far" });
    expect(report.replay).toMatchObject({ gave_up: "recording was paused" });
    expect(await far.workspace()).toMatchObject({ state: "running", recordingPaused: true, log: { recording: false, events: 0 } });
  });

  it("is closed to others on both hosts, with everything else, also after a crash", async () => {
    const { near, far } = hosts;
    await requireClosed(near);
    await requireClosed(far);
    await far.kill();
    await requireClosed(far);
    await far.start();
    await far.call("suspend", desk);
    await requireClosed(far);
  });

  it("cannot be read any more once its workspace is deleted", async () => {
    const { logKeys } = new StatePaths(hosts.near.state);
    expect(await readdir(logKeys)).toHaveLength(1);
    await hosts.near.call("delete", desk);
    expect(await readdir(logKeys)).toEqual([]);
  });
});
