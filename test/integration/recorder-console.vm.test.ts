import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { delay } from "../../common/abort.ts";
import type { HomewardError } from "../../common/errors.ts";
import { CheckpointState, decodeSegment, type InputEvent } from "../../protocol/input-log.ts";
import { describeLog } from "../../recorder/describe.ts";
import { LogStore } from "../../recorder/log-store.ts";
import { Recorder } from "../../recorder/recorder.ts";
import type { MachineFiles } from "../../vm/arguments.ts";
import type { Machine } from "../../vm/machine-process.ts";
import { keyForChar, keyForName, type Key } from "../../vm/rfb/keymap.ts";
import { RfbClient } from "../../vm/rfb/rfb-client.ts";
import { TinyWorkspace, waitForCursor, waitForShell } from "./vm-tiny-guest.ts";

/** "tiny:~# " and the text typed after it, in pixels. */
const behindPrompt = (text: string): number => 72 + 9 * text.length;

describe("recording the console of a running machine", () => {
  let workspace: TinyWorkspace;
  let files: MachineFiles;
  let machine: Machine;
  let log: LogStore;
  let recorder: Recorder;
  let viewer: RfbClient;
  const errors: HomewardError[] = [];
  let generation = "";

  beforeAll(async () => {
    workspace = await TinyWorkspace.create();
    files = await workspace.files("recorded");
    machine = await workspace.start(files);
    await waitForShell(machine, files);
    log = LogStore.open(join(workspace.dir, "input-log.db"), { dir: join(workspace.dir, "keys"), workspace: "work" });
  });
  afterAll(async () => {
    await log.close();
    await workspace.remove();
  });
  beforeEach(async ({ task }) => {
    generation = createHash("sha256").update(task.name).digest("hex");
    errors.length = 0;
    recorder = await Recorder.start({
      vncSocket: machine.vncSocket,
      consoleSocket: consoleSocket(),
      log,
      generationRoot: generation,
      onError: (error) => errors.push(error),
      onViewerError: (error) => errors.push(error),
    });
    viewer = await RfbClient.connect(consoleSocket());
  });
  afterEach(async () => {
    viewer.close();
    await recorder.stop();
  });

  function consoleSocket(): string {
    return join(workspace.dir, "console.sock");
  }
  async function press(key: Key, from = viewer): Promise<void> {
    from.key(true, key.keysym, key.keycode);
    await delay(20);
    from.key(false, key.keysym, key.keycode);
    await delay(30);
  }
  async function type(text: string, from = viewer): Promise<void> {
    for (let i = 0; i < text.length; i++) await press(keyForChar(text.charAt(i)), from);
  }
  async function recorded(): Promise<InputEvent[]> {
    await recorder.flush();
    const segments = await log.segments(generation);
    return (await Promise.all(segments.map(({ data }) => decodeSegment(data)))).flat();
  }
  function qemuTrace(): Promise<string> {
    return readFile(join(files.runDir, "qemu.log"), "utf8");
  }
  async function trace(name: string): Promise<void> {
    await machine.qmp.execute("trace-event-set-state", { name, enable: true });
  }
  /** What QEMU's own trace says reached the guest's keyboard since it was switched on: "a 1" is a pressed. */
  async function guestKeys(): Promise<string[]> {
    const keys = (await qemuTrace()).matchAll(/^input_event_key_qcode .*qcode (\S+), down ([01])$/gm);
    return [...keys].map(([, key = "", down = ""]) => `${key} ${down}`);
  }
  /** How far apart QEMU's looks at the screen get within so many milliseconds without input, in milliseconds. */
  async function longestLookInterval(idleMs: number): Promise<number> {
    const before = (await qemuTrace()).length;
    await delay(idleMs);
    const looks = (await qemuTrace()).slice(before).matchAll(/^console_refresh interval (\d+) ms$/gm);
    return Math.max(0, ...[...looks].map(([, interval]) => Number(interval)));
  }

  it("logs exactly what a viewer typed, with the picture before it and at the end", async () => {
    const { y } = await waitForShell(machine, files);
    await type("echo hi");
    await waitForCursor(machine, files, (at) => at.x === behindPrompt("echo hi") && at.y === y);
    await delay(300);
    await press(keyForName("enter"));
    await waitForShell(machine, files, y);
    await recorder.finalCheckpoint();
    const events = await recorded();
    const keys = events.flatMap((event) => (event.kind === "key" ? [[event.down, event.keysym, event.keycode]] : []));
    const expected = "echo hi\n".split("").flatMap((character) => {
      const { keysym, keycode } = keyForChar(character);
      return [
        [true, keysym, keycode],
        [false, keysym, keycode],
      ];
    });
    expect(keys).toEqual(expected);

    const enter = events.findIndex((event) => event.kind === "key" && event.keysym === 0xff0d);
    const before = events[enter - 1];
    expect(events[0]?.kind).toBe("checkpoint");
    expect(before?.kind).toBe("checkpoint");
    expect(before?.kind === "checkpoint" && before.checkpoint.cells.size).toBeGreaterThan(0);
    expect(events.at(-1)?.kind).toBe("checkpoint");
    const state = new CheckpointState();
    for (const event of events) if (event.kind === "checkpoint") state.apply(event.checkpoint);
    const fresh = await RfbClient.connect(machine.vncSocket);
    expect(state.grid).toEqual(fresh.frame.lumaGrid());
    fresh.close();
    expect([...state.volatile]).toEqual([]);

    const lines: string[] = [];
    for await (const { text } of describeLog(events, { showText: true })) lines.push(text);
    expect(lines.join("\n")).toContain("typed 'echo hi' Enter");
    const bytes = (await log.summary(generation)).bytes;
    expect(bytes).toBe(recorder.stats().bytes);
    expect(bytes).toBeLessThan(1500);
    expect(errors).toEqual([]);
  });

  it("serves several viewers, also one that wants to be alone, and records all of them", async () => {
    const alone = await RfbClient.connect(consoleSocket(), { shared: false });
    const { y } = await waitForShell(machine, files);
    await type("pw");
    await type("d\n", alone);
    await waitForShell(machine, files, y);
    expect([viewer.closed, alone.closed, recorder.stats().viewers]).toEqual([false, false, 2]);
    await delay(300);
    expect(viewer.frame.lumaGrid()).toEqual(alone.frame.lumaGrid());
    const typed = (await recorded()).flatMap((event) => (event.kind === "key" && event.down ? [event.keysym] : []));
    expect(typed).toEqual(["p", "w", "d", "\n"].map((character) => keyForChar(character).keysym));
    alone.close();
    expect(errors).toEqual([]);
  });

  it("keeps the display awake without the guest noticing", async () => {
    await trace("input_event_key_qcode");
    await trace("console_refresh");
    expect(await longestLookInterval(2500)).toBeLessThan(300);
    await press(keyForName("backspace"));
    await delay(200);
    expect(await guestKeys()).toEqual(["backspace 1", "backspace 0"]);
    await recorder.stop();
    // The same machine without a recorder: QEMU looks ever less often. That is the trap.
    viewer = await RfbClient.connect(machine.vncSocket);
    expect(await longestLookInterval(4000)).toBeGreaterThan(300);
  });

  it("logs the release of a key that a leaving viewer held, just as the guest gets it", async () => {
    const before = (await guestKeys()).length;
    const other = await RfbClient.connect(consoleSocket());
    const { keysym, keycode } = keyForName("shift");
    viewer.key(true, keysym, keycode);
    await delay(100);
    other.close();
    await delay(300);
    viewer.key(false, keysym, keycode);
    await delay(100);
    expect((await guestKeys()).slice(before)).toEqual(["shift 1", "shift 0"]);
    const keys = (await recorded()).flatMap((event) => (event.kind === "key" ? [[event.down, event.keysym]] : []));
    expect(keys.slice(0, 2)).toEqual([
      [true, keysym],
      [false, keysym],
    ]);
  });

  it("sees the screen of a paused machine", async () => {
    await machine.pause();
    const fresh = await RfbClient.connect(machine.vncSocket);
    expect(fresh.frame.lumaGrid()).toEqual(viewer.frame.lumaGrid());
    fresh.close();
    await machine.cont();
  });

  it("cuts viewers off and says so when the machine ends", async () => {
    const ended = new Promise<Error | undefined>((resolve) => viewer.onClose(resolve));
    await machine.quit();
    expect(await ended).toMatchObject({ code: "GUEST" });
    await expect.poll(() => errors.length, { timeout: 5000 }).toBeGreaterThan(0);
    expect(recorder.stats().viewers).toBe(0);
  });
});
