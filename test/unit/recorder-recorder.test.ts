import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { HomewardError } from "../../common/errors.ts";
import { CheckpointState, decodeSegment, type InputEvent } from "../../protocol/input-log.ts";
import { ConsoleRelay } from "../../recorder/console-relay.ts";
import { LogStore } from "../../recorder/log-store.ts";
import { Recorder } from "../../recorder/recorder.ts";
import { extendedKeyEvent } from "../../vm/rfb/client-messages.ts";
import { RfbClient } from "../../vm/rfb/rfb-client.ts";
import { FakeVncServer, grey, until, update } from "./rfb-fake-server.ts";

const ROOT = "ab".repeat(32);

describe("Recorder", () => {
  let server: FakeVncServer;
  let log: LogStore;
  let recorder: Recorder;
  let viewer: RfbClient;
  let errors: HomewardError[];

  beforeEach(async () => {
    server = await FakeVncServer.start();
    log = LogStore.open(join(server.dir, "input-log.db"), { dir: join(server.dir, "keys"), workspace: "work" });
    errors = [];
    recorder = await start();
    viewer = await RfbClient.connect(join(server.dir, "console.sock"));
  });
  afterEach(async () => {
    viewer.close();
    await recorder.stop();
    await log.close();
    await server.stop();
  });

  function start(more: { startMs?: number; relay?: ConsoleRelay } = {}): Promise<Recorder> {
    return Recorder.start({
      vncSocket: server.socketPath,
      consoleSocket: join(server.dir, "console.sock"),
      log,
      generationRoot: ROOT,
      onError: (error) => errors.push(error),
      ...more,
    });
  }
  async function events(): Promise<InputEvent[]> {
    await recorder.flush();
    const segments = await log.segments(ROOT);
    return (await Promise.all(segments.map(({ data }) => decodeSegment(data)))).flat();
  }
  /** The picture changes, and the recorder and the viewer have seen it. */
  async function paint(luma: number): Promise<void> {
    const updated = new Promise<void>((resolve) => viewer.onUpdate(() => {
      resolve();
    }));
    server.say(update([grey(0, 0, 16, 16, luma)]));
    await updated;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  async function typed(count: number): Promise<void> {
    await until(() => recorder.stats().events >= count, `${count} events`);
  }

  it("records keys with a whole checkpoint first", async () => {
    viewer.key(true, 0x61, 0x1e);
    viewer.key(false, 0x61, 0x1e);
    await typed(3);
    const [checkpoint, down, up] = await events();
    expect(checkpoint).toMatchObject({ kind: "checkpoint", checkpoint: { width: 64, height: 48 } });
    if (checkpoint?.kind !== "checkpoint") throw new Error("no checkpoint");
    expect([...checkpoint.checkpoint.cells.values()]).toEqual(new Array(12).fill(10));
    expect(checkpoint.atMs).toBe(down?.atMs);
    expect(down).toMatchObject({ kind: "key", down: true, keysym: 0x61, keycode: 0x1e });
    expect(up).toMatchObject({ kind: "key", down: false });
    expect(recorder.stats()).toMatchObject({ events: 3, checkpoints: 1, viewers: 1 });
    expect(recorder.stats().bytes).toBeGreaterThan(0);
  });

  it("takes a checkpoint before Enter if the picture changed", async () => {
    viewer.key(true, 0x61, 0x1e);
    await typed(2);
    await paint(99);
    viewer.key(true, 0xff0d, 0x1c);
    await until(() => recorder.stats().checkpoints === 2, "the second checkpoint");
    const log = await events();
    expect(log.map(({ kind }) => kind)).toEqual(["checkpoint", "key", "checkpoint", "key"]);
    const state = new CheckpointState();
    for (const event of log) if (event.kind === "checkpoint") state.apply(event.checkpoint);
    expect(state.grid[0]).toBe(99);
    expect(state.grid[1]).toBe(10);
  });

  it("ends with the picture as it is", async () => {
    await paint(50);
    await recorder.finalCheckpoint();
    const last = (await events()).at(-1);
    if (last?.kind !== "checkpoint") throw new Error("no checkpoint");
    expect(last.checkpoint.cells.get(0)).toBe(50);
    expect(last.checkpoint.volatile).toEqual([]);
  });

  it("records no input that a paused machine drops, and stops its clock", async () => {
    viewer.key(true, 0x61, 0x1e);
    await typed(2);
    recorder.releaseHeld();
    expect(recorder.stats().events).toBe(3);
    await recorder.finalCheckpoint();
    recorder.noteMark("suspend");
    const suspendedMs = recorder.nowMs;
    viewer.key(true, 0x70, 0x19);
    viewer.key(false, 0x70, 0x19);
    const dropped = extendedKeyEvent(false, 0x70, 0x19);
    await until(() => server.connections[1]?.received().includes(dropped) === true, "the key");
    await new Promise((resolve) => setTimeout(resolve, 50));
    recorder.noteMark("resume");
    viewer.key(true, 0x62, 0x30);
    await typed(7);
    const log = await events();
    const inputs = log.flatMap((event) => (event.kind === "key" ? [[event.keysym, event.down]] : []));
    expect(inputs).toEqual([
      [0x61, true],
      [0x61, false],
      [0x62, true],
    ]);
    const marks = log.flatMap((event, i) => (event.kind === "mark" ? [[event.mark, log[i - 1]?.kind]] : []));
    expect(marks).toEqual([
      ["suspend", "checkpoint"],
      ["resume", "mark"],
    ]);
    expect(log.find(({ kind }) => kind === "mark")?.atMs).toBe(suspendedMs);
    const resumed = log.find((event) => event.kind === "mark" && event.mark === "resume");
    expect((resumed?.atMs ?? Infinity) - suspendedMs).toBeLessThan(50);
  });

  it("keeps what others note, and nothing of a paused recording", async () => {
    recorder.notePower("guest-reset");
    recorder.noteNetwork(2);
    recorder.noteMark("record-pause");
    viewer.key(true, 0x70, 0x19);
    await until(() => server.connections[1]?.received().includes(extendedKeyEvent(true, 0x70, 0x19)) === true, "the key");
    recorder.noteMark("record-resume");
    expect((await events()).map((event) => ("mark" in event ? event.mark : event.kind))).toEqual([
      "power",
      "network",
      "record-pause",
      "record-resume",
    ]);
  });

  it("takes a picture before what the host does to the machine, unless it shows nothing yet", async () => {
    recorder.notePower("host-reset");
    recorder.notePower("host-reset", "none");
    recorder.notePower("host-off");
    recorder.notePower("host-powerdown");
    const kinds = (await events()).map((event) => (event.kind === "power" ? event.action : event.kind));
    expect(kinds).toEqual(["checkpoint", "host-reset", "host-reset", "host-off", "checkpoint", "host-powerdown"]);
  });

  it("goes on where an older recording ended", async () => {
    recorder.noteNetwork(1);
    viewer.close();
    await recorder.stop();
    recorder = await start({ startMs: 5000 });
    viewer = await RfbClient.connect(join(server.dir, "console.sock"));
    recorder.noteNetwork(2);
    await recorder.stop();
    recorder = await start();
    recorder.noteNetwork(3);
    const times = (await events()).map(({ atMs }) => atMs);
    expect(times[1]).toBeGreaterThanOrEqual(5000);
    expect(times[2]).toBeGreaterThanOrEqual(times[1] ?? Infinity);
    expect((await log.segments(ROOT)).map(({ seq }) => seq)).toEqual([0, 1, 2]);
  });

  it("records through a relay that was there before and stays after", async () => {
    viewer.close();
    await recorder.stop();
    const consoleSocket = join(server.dir, "console.sock");
    const relay = await ConsoleRelay.start({ vncSocket: server.socketPath, consoleSocket });
    viewer = await RfbClient.connect(consoleSocket);
    recorder = await start({ relay });
    viewer.key(true, 0x61, 0x1e);
    await typed(2);
    await recorder.stop();
    expect(viewer.closed).toBe(false);
    expect(relay.viewers).toBe(1);
    await relay.stop();
  });

  it("reports that the display is gone and still keeps what was recorded", async () => {
    viewer.key(true, 0x61, 0x1e);
    await typed(2);
    await server.exit();
    await until(() => errors.length === 1, "the error");
    expect(errors[0]).toMatchObject({ code: "GUEST" });
    await recorder.finalCheckpoint();
    expect((await events()).map(({ kind }) => kind)).toEqual(["checkpoint", "key"]);
  });

  it("reconnects when only its own connection was cut", async () => {
    server.connections[0]?.socket.destroy();
    await until(() => server.connections.length === 3, "the new connection");
    await new Promise((resolve) => setTimeout(resolve, 50));
    viewer.key(true, 0x61, 0x1e);
    await typed(2);
    expect((await events())[0]?.kind).toBe("checkpoint");
    expect(errors).toEqual([]);
  });
});
