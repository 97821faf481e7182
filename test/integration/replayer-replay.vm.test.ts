import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseSession } from "../../demo/session/format.ts";
import { playSession } from "../../demo/session/player.ts";
import { decodeSegment, type InputEvent } from "../../protocol/input-log.ts";
import { LogStore } from "../../recorder/log-store.ts";
import { Recorder } from "../../recorder/recorder.ts";
import { replay, type ReplayReport } from "../../replayer/replay.ts";
import { rfbScreen, rfbSink } from "../../replayer/rfb-twin.ts";
import { diskSettled } from "../../replayer/settle.ts";
import type { Machine } from "../../vm/machine-process.ts";
import { RfbClient } from "../../vm/rfb/rfb-client.ts";
import { pictureStill, shellAnswers, suspendGuest, type SuspendedGuest } from "./replayer-guest.ts";

const ROOT = "0".repeat(64);

const SESSION = parseSession(
  JSON.stringify({
    name: "text",
    description: "a few commands, with pauses to look at what they print",
    guest: "tiny",
    steps: [
      { type: "ls /\n" },
      { wait_still: { seconds: 1.5, changed: 1 } },
      { type: "vi letter\n" },
      { wait_still: { seconds: 1.5, changed: 1 } },
      { type: "iDear reader,\n" },
      { wait: 1 },
      { type: "goodbye" },
      { wait: 1 },
      { keys: "escape" },
      { type: ":wq\n" },
      { wait_still: { seconds: 1.5, changed: 0.3 } },
      { type: "wc letter; sync\n" },
      { wait_still: { seconds: 1.5, changed: 0.3 } },
    ],
  }),
);

let guest: SuspendedGuest | undefined;
let events: InputEvent[];
/** The last picture of the recorded machine. */
let end: Uint8Array;

async function type(screen: RfbClient, text: string): Promise<void> {
  await playSession(screen, parseSession(JSON.stringify({ ...SESSION, pace: { key_ms: 40 }, steps: [{ type: text }] })));
  await pictureStill(screen, 1000);
}

async function record(guest: SuspendedGuest): Promise<void> {
  const { machine, screen } = await guest.resume("recorded");
  const log = LogStore.open(join(guest.folder, "log.db"), { dir: join(guest.folder, "keys"), workspace: "work" });
  const consoleSocket = join(guest.folder, "console.sock");
  const recorder = await Recorder.start({
    vncSocket: machine.vncSocket,
    consoleSocket,
    log,
    generationRoot: ROOT,
    onError: (error) => {
      throw error;
    },
  });
  const viewer = await RfbClient.connect(consoleSocket);
  const { neverStill } = await playSession(viewer, SESSION);
  expect(neverStill).toEqual([]);
  await recorder.finalCheckpoint();
  await recorder.flush();
  events = [];
  for (const segment of await log.segments(ROOT)) events.push(...(await decodeSegment(segment.data)));
  end = screen.frame.lumaGrid();
  viewer.close();
  await recorder.stop();
  await log.close();
}

async function replayed(
  name: string,
  prepare?: (screen: RfbClient) => Promise<void>,
  hinder?: (machine: Machine) => () => void,
): Promise<{ report: ReplayReport; picture: Uint8Array }> {
  if (guest === undefined) throw new Error("no guest");
  const { machine, screen } = await guest.resume(name);
  await prepare?.(screen);
  const free = hinder?.(machine);
  const report = await replay({
    events,
    screen: rfbScreen(screen),
    sink: rfbSink(screen, machine),
    settled: async (signal) => {
      await diskSettled(() => machine.blockWriteBytes(), { signal });
    },
  });
  free?.();
  const picture = screen.frame.lumaGrid();
  screen.close();
  await machine.quit();
  expect(report.replayMs).toBeLessThanOrEqual((1.3 * (report.recordedMs - report.thinkMs)) / report.speed + 10_000 + 500);
  return { report, picture };
}

beforeAll(async () => {
  guest = await suspendGuest("tiny", async (screen) => {
    await shellAnswers(screen);
    await type(screen, "clear\n");
  });
  await record(guest);
});

afterAll(async () => {
  await guest?.remove();
});

test("a replay from the same state matches every picture and ends with the same one", async () => {
  const { report, picture } = await replayed("same");
  expect(report.checkpoints.missed).toBe(0);
  expect(report.checkpoints.matched).toBeGreaterThanOrEqual(6);
  expect(report.gaveUp).toBeNull();
  expect(report.path).toHaveLength(1);
  expect(report.replayMs).toBeLessThan(report.recordedMs);
  expect(Buffer.from(picture).equals(end)).toBe(true);
});

let starved = 0;

// A quarter of a busy computer's time is now and then less than any patience: then it is tried again.
test("a replay on a host that gives its twin a quarter of the time matches every picture all the same", { retry: 2 }, async () => {
  starved++;
  const { report, picture } = await replayed(`starved-${String(starved)}`, undefined, ({ pid }) => {
    let on: NodeJS.Timeout | undefined;
    const off = setInterval(() => {
      process.kill(pid, "SIGSTOP");
      on = setTimeout(() => process.kill(pid, "SIGCONT"), 75);
    }, 100);
    return () => {
      clearInterval(off);
      clearTimeout(on);
      process.kill(pid, "SIGCONT");
    };
  });
  expect(report.checkpoints.missed).toBe(0);
  expect(Buffer.from(picture).equals(end)).toBe(true);
});

test("a replay onto a screen that shows something else is noticed", async () => {
  const { report } = await replayed("different", (screen) => type(screen, "echo something else\n"));
  expect(report.checkpoints.missed).toBeGreaterThanOrEqual(2);
  expect(report.path.some((segment) => segment.kind === "left")).toBe(true);
});

test("a replay into another program gives up", async () => {
  const { report } = await replayed("other-program", (screen) => type(screen, "cat >/dev/null\n"));
  expect(report.checkpoints.missed).toBeGreaterThanOrEqual(3);
  expect(report.gaveUp).not.toBeNull();
  expect(report.events).toBeLessThan(report.recordedEvents);
});
