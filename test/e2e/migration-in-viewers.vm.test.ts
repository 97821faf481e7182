import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { delay } from "../../common/abort.ts";
import { keyForChar, keyForName } from "../../vm/rfb/keymap.ts";
import { ViewerHands } from "../../viewer/inject/viewer-hands.ts";
import { eventually, stillPicture, TwoHosts, WORKSPACE } from "./migration-hosts.ts";

let hosts: TwoHosts;

beforeAll(async () => {
  hosts = await TwoHosts.create();
  await hosts.far.restart({ args: ["--replay-in-viewer"] });
});
afterAll(async () => {
  await hosts.end();
});

/** Whether a process that descends from that one is TigerVNC's viewer. */
async function hasViewer(pid: number | undefined): Promise<boolean> {
  const parents = new Map<string, string>();
  const viewers: string[] = [];
  for (const id of await readdir("/proc")) {
    const [, name, parent] = /\((.*)\) \S (\d+)/.exec(await readFile(`/proc/${id}/stat`, "utf8").catch(() => "")) ?? [];
    if (parent === undefined) continue;
    parents.set(id, parent);
    if (name === "xtigervncviewer") viewers.push(id);
  }
  const descends = (id: string | undefined): boolean => id !== undefined && (id === String(pid) || descends(parents.get(id)));
  return viewers.some(descends);
}

describe("a log that was made in somebody's own viewer", () => {
  it("is replayed into another viewer at the destination, and the screen is the same", async () => {
    const { near, far } = hosts;
    const watcher = await near.console();
    const { path } = await near.call("console", { workspace: WORKSPACE });
    // TigerVNC's, on a display of its own, with hands that press keys there.
    const viewer = await ViewerHands.open(path, watcher);
    for (const character of "seq 1 99 | md5sum\n") {
      const key = character === "\n" ? keyForName("enter") : keyForChar(character);
      viewer.key(true, key.keysym, key.keycode);
      viewer.key(false, key.keysym, key.keycode);
      await delay(150);
    }
    await stillPicture(watcher, 1500);
    await viewer.stop();
    const left = await stillPicture(watcher);
    watcher.close();
    const moved = near.call("migrate", { workspace: WORKSPACE, peer: "far" });
    moved.catch(() => undefined);
    await eventually("a viewer runs at the destination", () => hasViewer(far.pid), 180_000);
    const report = await moved;
    expect(report).toMatchObject({ verified: true, replay: { gave_up: null } });
    expect(report.events).toBeGreaterThanOrEqual(36);
    expect(report.checkpoints.matched).toBeGreaterThan(0);
    const log = await readFile(join(far.state, "service.log"), "utf8");
    expect(log).not.toContain("without a viewer");
    const arrived = await far.console();
    expect((await stillPicture(arrived)).equals(left)).toBe(true);
    arrived.close();
  });
});
