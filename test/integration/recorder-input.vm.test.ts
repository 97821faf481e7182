import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { delay } from "../../common/abort.ts";
import { parseSession } from "../../demo/session/format.ts";
import { playSession } from "../../demo/session/player.ts";
import { decodeSegment, type InputEvent } from "../../protocol/input-log.ts";
import { LogStore } from "../../recorder/log-store.ts";
import { Recorder } from "../../recorder/recorder.ts";
import { replay, type ReplayReport } from "../../replayer/replay.ts";
import { rfbScreen, rfbSink } from "../../replayer/rfb-twin.ts";
import { keyForChar, keyForName, type Key } from "../../vm/rfb/keymap.ts";
import { RfbClient } from "../../vm/rfb/rfb-client.ts";
import { pictureStill, shellAnswers, suspendGuest, type SuspendedGuest } from "./replayer-guest.ts";

const ROOT = "0".repeat(64);

/**
 * In the guest: `w` takes down all keys, buttons and wheel notches that its drivers report until Ctrl-D, and leaves them in
 * memory between two marks; Ctrl-Alt-Delete does not restart it meanwhile. `v` fills the screen with something else all
 * the time until Ctrl-C.
 */
const SCRIPTS = `cat >w <<'E'
sleep 9999 & echo $! >/proc/sys/kernel/cad_pid
for e in /dev/input/event*; do cat $e >/tmp/\${e##*/} & done
stty -echo; clear; cat >/dev/null; sleep 2; stty sane; killall cat; cd /tmp
for f in event*; do od -An -v -tu2 -w24 $f | awk '$9==1||($9==2&&$10==8){print $9,$10,$11}'; done >all
(printf 'HW%s\\n' BEGIN; uniq -c all | awk '{print $1":"$2","$3","$4}'; printf 'HW%s\\n' END) >o
clear; md5sum all; wc -l all; cd
E
cat >v <<'E'
stty -echo; trap 'stty sane; clear; exit' 2
while :; do head -c 1400 /dev/urandom | base64; done
E
clear
`;

/** Linux input event codes (input-event-codes.h). */
const BTN_LEFT = 272;
const KEY_A = 30;
const KEY_B = 48;
const KEY_C = 46;
const KEY_CAPSLOCK = 58;
const KEY_DELETE = 111;
const WHEEL = 8;

interface Recording {
  readonly logBytes: number;
  readonly events: readonly InputEvent[];
  readonly received: readonly string[];
  readonly end: Uint8Array;
}

let guest: SuspendedGuest;

/** Text between the marks in the memory of a machine, a line each: "times:type,code,value". */
async function receivedBy(copy: string): Promise<string[]> {
  const ram = await readFile(join(guest.folder, copy, "ram"));
  for (let at = ram.indexOf("HWBEGIN\n"); at !== -1; at = ram.indexOf("HWBEGIN\n", at + 1)) {
    const text = ram.toString("latin1", at, at + 4096);
    const end = text.indexOf("HWEND\n");
    if (end !== -1) return text.slice(8, end).trim().split("\n");
  }
  throw new Error("nothing was taken down");
}

async function press(viewer: RfbClient, key: Key, holdMs = 20): Promise<void> {
  viewer.key(true, key.keysym, key.keycode);
  await delay(holdMs);
  viewer.key(false, key.keysym, key.keycode);
  await delay(30);
}

async function line(viewer: RfbClient, text: string): Promise<void> {
  for (const character of text) await press(viewer, keyForChar(character));
  await delay(1500);
}

async function chord(viewer: RfbClient, keys: readonly Key[]): Promise<void> {
  for (const key of keys) {
    viewer.key(true, key.keysym, key.keycode);
    await delay(40);
  }
  for (const key of [...keys].reverse()) viewer.key(false, key.keysym, key.keycode);
  await delay(60);
}

/** A key by its keysym alone, as viewers without QEMU's extension send it. */
function plain(keysym: number): Key {
  return { keysym, keycode: 0 };
}

/** Records what `act` does on a machine of its own. */
async function record(copy: string, act: (viewer: RfbClient, console: string) => Promise<void>): Promise<Recording> {
  const { machine, screen } = await guest.resume(copy);
  const log = LogStore.open(join(guest.folder, `${copy}.db`), { dir: join(guest.folder, "keys"), workspace: copy });
  const consoleSocket = join(guest.folder, `${copy}.sock`);
  const errors: unknown[] = [];
  const recorder = await Recorder.start({
    vncSocket: machine.vncSocket,
    consoleSocket,
    log,
    generationRoot: ROOT,
    onError: (error) => errors.push(error),
    onViewerError: (error) => errors.push(error),
  });
  const viewer = await RfbClient.connect(consoleSocket);
  await act(viewer, consoleSocket);
  await pictureStill(screen, 2000);
  await recorder.finalCheckpoint();
  await recorder.flush();
  const segments = await log.segments(ROOT);
  const events = (await Promise.all(segments.map(({ data }) => decodeSegment(data)))).flat();
  const end = screen.frame.lumaGrid();
  expect(errors).toEqual([]);
  viewer.close();
  screen.close();
  await recorder.stop();
  await log.close();
  await machine.quit();
  const logBytes = segments.reduce((bytes, { data }) => bytes + data.length, 0);
  return { logBytes, events, end, received: await receivedBy(copy).catch(() => []) };
}

async function replayed(
  copy: string,
  events: readonly InputEvent[],
): Promise<Omit<Recording, "logBytes"> & { report: ReplayReport }> {
  const { machine, screen } = await guest.resume(copy);
  const report = await replay({ events, screen: rfbScreen(screen), sink: rfbSink(screen, machine) });
  await pictureStill(screen, 2000);
  const end = screen.frame.lumaGrid();
  screen.close();
  await machine.quit();
  return { events, end, report, received: await receivedBy(copy).catch(() => []) };
}

/** What was received, however often keys that were held repeated themselves. */
function withoutRepeats(received: readonly string[]): string[] {
  return received.map((entry) => (entry.endsWith(",2") ? entry.replace(/^\d+/, "some") : entry));
}

/** Says in a line what it came to. */
function cost(what: string, { events, logBytes }: Recording, report: ReplayReport): void {
  const { recordedMs, thinkMs, replayMs, speed, checkpoints } = report;
  const told = { events: events.length, logBytes, recordedMs, thinkMs, replayMs, speed, checkpoints };
  process.stdout.write(`${what}: ${JSON.stringify(told)}\n`);
}

beforeAll(async () => {
  guest = await suspendGuest("tiny", async (screen) => {
    await shellAnswers(screen);
    const steps = [{ type: SCRIPTS }];
    await playSession(
      screen,
      parseSession(JSON.stringify({ name: "scripts", description: "scripts", guest: "tiny", pace: { key_ms: 25 }, steps })),
    );
    await pictureStill(screen, 1000);
  });
});
afterAll(async () => {
  await guest.remove();
});

describe("what the guest's own drivers receive", () => {
  it("is the same in the twin as in the source, whatever viewers do", async () => {
    const source = await record("games", async (viewer, console) => {
      await line(viewer, "sh w\n");
      await delay(1500);
      const shift = keyForName("shift");
      const a = keyForChar("a");

      // A second's worth of key repeat, then a key held while the user looks and clicks.
      for (let i = 0; i < 30; i++) {
        viewer.key(true, a.keysym, a.keycode);
        await delay(33);
      }
      viewer.key(false, a.keysym, a.keycode);
      viewer.key(true, shift.keysym, shift.keycode);
      await delay(400);
      viewer.pointer(100, 100, 1);
      await delay(60);
      viewer.pointer(100, 100, 0);
      await delay(400);
      viewer.key(false, shift.keysym, shift.keycode);

      // Other layouts: e acute, dead acute and a French q, with the place of the key and without; AltGr with @.
      for (const keycode of [0x03, 0x1a]) await press(viewer, { keysym: keycode === 0x03 ? 0xe9 : 0xfe51, keycode });
      await press(viewer, { keysym: 0x71, keycode: 0x1e });
      for (const keysym of [0xe9, 0xfe51, 0x71, 0x20ac]) await press(viewer, plain(keysym));
      await chord(viewer, [plain(0xfe03), plain(0x40)]);
      // Caps Lock, which QEMU itself presses when a plain capital comes without Shift.
      await press(viewer, plain(0x51));
      await press(viewer, plain(0x71));
      await chord(viewer, [keyForName("ctrl"), keyForName("alt"), keyForName("delete")]);

      // Fast motion, a drag, both ways of the wheel.
      for (let i = 0; i < 2000; i++) {
        viewer.pointer(i % 700, (i * 3) % 390, 0);
        if (i % 5 === 4) await delay(5);
      }
      await delay(300);
      viewer.pointer(50, 50, 1);
      for (let i = 0; i < 40; i++) {
        await delay(10);
        viewer.pointer(50 + i * 10, 50 + i * 5, 1);
      }
      viewer.pointer(440, 245, 0);
      for (const [button, notches] of [[16, 40], [8, 25]] as const)
        for (let i = 0; i < notches; i++) {
          await delay(25);
          viewer.pointer(440, 245, button);
          await delay(25);
          viewer.pointer(440, 245, 0);
        }

      // Others come and go, one of them wanting to be alone, while this one holds a key.
      viewer.key(true, a.keysym, a.keycode);
      await delay(300);
      const other = await RfbClient.connect(console, { shared: false });
      await press(other, keyForChar("b"));
      other.key(true, shift.keysym, shift.keycode);
      await delay(100);
      other.close();
      await delay(300);
      await press(viewer, keyForChar("c"));
      viewer.key(false, a.keysym, a.keycode);
      await delay(300);
      await press(viewer, keyForName("enter"));
      await chord(viewer, [keyForName("ctrl"), keyForChar("d")]);
      await delay(5000);
    });
    const pointers = source.events.filter(({ kind }) => kind === "pointer").length;

    const twin = await replayed("games-twin", source.events);
    cost("input games", source, twin.report);
    expect(withoutRepeats(twin.received)).toEqual(withoutRepeats(source.received));
    // Linux drops the repeats within 125 ms of the press, as it sees the time: on a busy computer that can be more of them.
    for (const { received } of [source, twin]) expect(received[1]).toMatch(new RegExp(`^[12]\\d:1,${String(KEY_A)},2$`));
    if (twin.received[1] === source.received[1]) {
      expect(twin.received).toEqual(source.received);
      expect(twin.report.checkpoints.missed).toBe(0);
      expect(Buffer.from(twin.end).equals(source.end)).toBe(true);
    }
    const button = (down: number): string => `1:1,${String(BTN_LEFT)},${String(down)}`;
    const wheel = [`40:2,${String(WHEEL)},65535`, `25:2,${String(WHEEL)},1`];
    expect(source.received.slice(-6)).toEqual([button(1), button(0), button(1), button(0), ...wheel]);
    for (const key of [KEY_CAPSLOCK, KEY_DELETE, KEY_B, KEY_C])
      expect(source.received).toEqual(expect.arrayContaining([`1:1,${String(key)},1`, `1:1,${String(key)},0`]));
    // 2 s of motion at 50 a second, and what else there was.
    expect(pointers).toBeLessThan(600);
  });
});

describe("a picture that changes all the time", () => {
  let videos = 0;

  // On a busy computer the twin's video can lag behind for longer than any patience: then it is tried again.
  it("costs few bytes and no misses", { retry: 2 }, async () => {
    videos++;
    const source = await record(`video-${String(videos)}`, async (viewer) => {
      await line(viewer, "sh v\n");
      await delay(3000);
      for (let i = 0; i < 12; i++) {
        viewer.pointer(100 + i, 100, 1);
        await delay(60);
        viewer.pointer(100 + i, 100, 0);
        await delay(400);
      }
      await chord(viewer, [keyForName("ctrl"), keyForChar("c")]);
      await delay(1500);
      await line(viewer, "ls /\n");
    });
    const checkpoints = source.events.flatMap((event) => (event.kind === "checkpoint" ? [event.checkpoint] : []));
    const twin = await replayed(`video-twin-${String(videos)}`, source.events);
    cost("a video", source, twin.report);
    // One before each click, those in motion of a few runs and no luma, and the two whole pictures at the ends.
    const restless = checkpoints.filter(({ volatile }) => volatile.length > 300);
    expect(restless.length).toBeGreaterThanOrEqual(8);
    expect(checkpoints.length).toBeLessThanOrEqual(30);
    expect(source.logBytes).toBeLessThan(8_000);
    expect(restless.reduce((most, { cells }) => Math.max(most, cells.size), 0)).toBeLessThan(500);
    expect(twin.report.gaveUp).toBeNull();
    expect(twin.report.checkpoints.missed).toBe(0);
    expect(Buffer.from(twin.end).equals(source.end)).toBe(true);
  });
});
