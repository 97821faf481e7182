import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseSession } from "../../demo/session/format.ts";
import { playSession } from "../../demo/session/player.ts";
import { decodeSegment, type InputEvent } from "../../protocol/input-log.ts";
import { LogStore } from "../../recorder/log-store.ts";
import { Recorder } from "../../recorder/recorder.ts";
import { replay } from "../../replayer/replay.ts";
import { rfbScreen, rfbSink } from "../../replayer/rfb-twin.ts";
import { WindowCapture } from "../../viewer/capture/window-capture.ts";
import { HeadlessDisplay } from "../../viewer/headless-display.ts";
import { ViewerHands } from "../../viewer/inject/viewer-hands.ts";
import { WindowSink } from "../../viewer/inject/window-sink.ts";
import { openViewer } from "../../viewer/viewer-window.ts";
import type { RfbClient } from "../../vm/rfb/rfb-client.ts";
import { pictureStill, shellAnswers, suspendGuest, type SuspendedGuest } from "./replayer-guest.ts";

const ROOT = "0".repeat(64);

const SESSION = parseSession(
  JSON.stringify({
    name: "text",
    description: "a few commands, with signs of every kind",
    guest: "tiny",
    pace: { key_ms: 60 },
    steps: [
      { type: "echo \"Aa|{~}\" '<_>' $((3*4)) >a; cat a\n" },
      { wait_still: { seconds: 1, changed: 0.3 } },
      { type: "vi letter\n" },
      { wait_still: { seconds: 1, changed: 1 } },
      { type: "iDear Reader,\n\tgoodbye" },
      { keys: "escape" },
      { type: ":wq\n" },
      { wait_still: { seconds: 1, changed: 0.3 } },
      { click: [300, 200] },
      { type: "wc letter; sync\n" },
      { wait_still: { seconds: 1, changed: 0.3 } },
    ],
  }),
);

let guest: SuspendedGuest;
let display: HeadlessDisplay | undefined;
const errors: unknown[] = [];

beforeAll(async () => {
  guest = await suspendGuest("tiny", shellAnswers);
});
afterAll(async () => {
  await display?.stop();
  await guest.remove();
});

/** A person at a display: hands on its keyboard and mouse, eyes on the guest. `typed` gets the keys that are pressed. */
function person(hands: WindowSink, screen: RfbClient, typed: number[]): Parameters<typeof playSession>[0] {
  return {
    width: screen.width,
    height: screen.height,
    frame: screen.frame,
    onUpdate: (callback) => screen.onUpdate(callback),
    key: (down, keysym, keycode) => {
      if (down) typed.push(keycode);
      hands.key(down, keysym, keycode);
    },
    pointer: hands.pointer.bind(hands),
  };
}

describe("a viewer that is not ours", () => {
  it("is recorded, and replayed through another one with the same end", async () => {
    const { machine, screen } = await guest.resume("recorded");
    const size = { width: screen.width, height: screen.height };
    display = await HeadlessDisplay.start();
    const { id } = await openViewer(display, machine.vncSocket, size);
    const common = { env: display.env, window: id, layout: { scale: "none", top: 0 }, screen: size } as const;
    const hands = await WindowSink.start({ ...common, onEnd: (error) => errors.push(error) });
    const log = LogStore.open(join(guest.folder, "log.db"), { dir: join(guest.folder, "keys"), workspace: "work" });
    const recorder = await Recorder.start({
      vncSocket: machine.vncSocket,
      consoleSocket: join(guest.folder, "console.sock"),
      log,
      generationRoot: ROOT,
      onError: (error) => errors.push(error),
    });
    const captured = recorder.relay.capture((error) => errors.push(error));
    const capture = await WindowCapture.start({
      ...common,
      onInput: (event) => {
        if (event.type === "key") captured.key(event.down, event.keysym, event.keycode);
        else captured.pointer(event.x, event.y, event.buttons);
      },
      onEnd: (error) => errors.push(error),
    });
    const typed: number[] = [];
    const { neverStill } = await playSession(person(hands, screen, typed), SESSION);
    expect(neverStill).toEqual([]);
    await recorder.finalCheckpoint();
    await recorder.flush();
    const end = screen.frame.lumaGrid();
    const segments = await log.segments(ROOT);
    const events: InputEvent[] = (await Promise.all(segments.map(({ data }) => decodeSegment(data)))).flat();
    captured.close();
    await capture.stop();
    await hands.stop();
    await recorder.stop();
    await log.close();
    screen.close();
    await machine.quit();
    // Every key of it at its place, and none twice.
    const pressed = events.flatMap((event) => (event.kind === "key" && event.down ? [event.keycode] : []));
    expect(pressed).toEqual(typed);

    const twin = await guest.resume("twin");
    const sink = await ViewerHands.open(twin.machine.vncSocket, twin.screen);
    const report = await replay({
      events,
      screen: rfbScreen(twin.screen),
      sink: { ...rfbSink(twin.screen, twin.machine), key: sink.key.bind(sink), pointer: sink.pointer.bind(sink) },
    });
    await pictureStill(twin.screen, 1000);
    expect(sink.failed.aborted).toBe(false);
    await sink.stop();
    expect(report.gaveUp).toBeNull();
    expect(report.checkpoints.missed).toBe(0);
    expect(Buffer.from(twin.screen.frame.lumaGrid()).equals(end)).toBe(true);
    expect(errors).toEqual([]);
  });
});
