import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { delay } from "../../common/abort.ts";
import { EXIT_STATUS, type HomewardError } from "../../common/errors.ts";
import type { CapturedEvent } from "../../protocol/control.ts";
import { WindowCapture } from "../../viewer/capture/window-capture.ts";
import { ChildProgram } from "../../viewer/child.ts";
import { HeadlessDisplay } from "../../viewer/headless-display.ts";
import { WindowSink } from "../../viewer/inject/window-sink.ts";
import { ROBOT_KEYS } from "../../viewer/keys.ts";
import { captureMessageSchema, type WindowInputEvent } from "../../viewer/messages.ts";
import { openViewer } from "../../viewer/viewer-window.ts";
import { XConnection } from "../../viewer/x11/connection.ts";
import { inputFocus, setInputFocus } from "../../viewer/x11/requests.ts";
import type { WindowInfo } from "../../viewer/x11/windows.ts";
import { checkLine } from "../unit/cli-json-schemas.ts";
import { runCli } from "../unit/cli-surroundings.ts";
import { FakeService } from "../unit/control-fake-service.ts";
import { FakeVncServer, until } from "../unit/rfb-fake-server.ts";

/** No guest: two viewers of a server that never shows anything, on a display of their own. */
const SCREEN = { width: 64, height: 48 };
const LAYOUT = { scale: "none", top: 0 } as const;

let server: FakeVncServer;
let display: HeadlessDisplay;
let x: XConnection;
let window: WindowInfo;
let other: WindowInfo;

beforeAll(async () => {
  server = await FakeVncServer.start();
  display = await HeadlessDisplay.start();
  x = await XConnection.connect(display.name, display.env);
  other = await openViewer(display, server.socketPath, SCREEN);
  window = await openViewer(display, server.socketPath, SCREEN);
  place(other, 400, 300);
  place(window, 100, 200);
});
afterAll(async () => {
  x.close();
  await display.stop();
  await server.stop();
});

/** ConfigureWindow with a position, X11 protocol, appendix B. */
function place({ id }: WindowInfo, left: number, top: number): void {
  const request = Buffer.alloc(20);
  request.writeUInt8(12, 0);
  request.writeUInt16LE(5, 2);
  request.writeUInt32LE(id, 4);
  request.writeUInt16LE(3, 8);
  request.writeInt32LE(left, 12);
  request.writeInt32LE(top, 16);
  x.tell(request);
}

async function focus({ id }: WindowInfo): Promise<void> {
  setInputFocus(x, id);
  expect(await inputFocus(x)).toBe(id);
}

describe("a window", () => {
  let hands: WindowSink;
  let capture: WindowCapture;
  let events: WindowInputEvent[];
  let ends: HomewardError[];
  const stop: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    [events, ends] = [[], []];
    const common = { env: display.env, window: window.id, layout: LAYOUT, screen: SCREEN };
    hands = await WindowSink.start({ ...common, onEnd: (error) => ends.push(error) });
    stop.push(() => hands.stop());
    capture = await WindowCapture.start({
      ...common,
      onInput: (event) => events.push(event),
      onEnd: (error) => ends.push(error),
    });
    stop.push(() => capture.stop());
  });
  afterEach(async () => {
    for (const each of stop.splice(0)) await each();
  });

  it("gets every key of robotjs's at its own place, and libuiohook hears it there", async () => {
    for (const [xt, { keysyms }] of ROBOT_KEYS) {
      hands.key(true, keysyms[0], xt);
      await until(() => events.some((event) => event.type === "key" && event.down && event.keycode === xt), `key ${xt}`);
      hands.key(false, keysyms[0], xt);
      await until(() => events.some((event) => event.type === "key" && !event.down && event.keycode === xt), `no key ${xt}`);
    }
    const keys = events.map((event) => (event.type === "key" && event.down ? [event.keycode, event.keysym] : null));
    expect(keys.filter((each) => each !== null)).toEqual([...ROBOT_KEYS].map(([xt, { keysyms }]) => [xt, keysyms[0]]));
    expect(ends).toEqual([]);
  });

  it("is captured only while it has the focus, and lets go of what is held when it loses it", async () => {
    hands.key(true, 0x61, 0x1e);
    await until(() => events.length === 1, "the press");
    await focus(other);
    await until(() => events.length === 2, "the release");
    expect(events[1]).toEqual({ type: "key", down: false, keysym: 0x61, keycode: 0x1e });
    hands.key(false, 0x61, 0x1e);
    for (const down of [true, false]) hands.key(down, 0x62, 0x30);
    hands.pointer(10, 10, 0);
    hands.pointer(10, 10, 1);
    hands.pointer(10, 10, 0);
    await delay(500);
    expect(events).toHaveLength(2);
    await focus(window);
    for (const down of [true, false]) hands.key(down, 0x63, 0x2e);
    await until(() => events.length === 4, "the key after that");
    expect(events[2]).toEqual({ type: "key", down: true, keysym: 0x63, keycode: 0x2e });
  });

  it("is found where it is moved to, and a drag goes on outside of it", async () => {
    hands.pointer(5, 6, 0);
    await until(() => events.length > 0, "the motion");
    expect(events.at(-1)).toEqual({ type: "pointer", x: 5, y: 6, buttons: 0 });
    place(window, 700, 500);
    await delay(200);
    hands.pointer(63, 47, 0);
    hands.pointer(63, 47, 4);
    await until(() => events.some((event) => event.type === "pointer" && event.buttons === 4), "the press");
    expect(events.at(-1)).toEqual({ type: "pointer", x: 63, y: 47, buttons: 4 });
    place(window, 100, 200);
    await delay(200);
    hands.pointer(0, 0, 12);
    hands.pointer(0, 0, 0);
    await until(() => events.some((event) => event.type === "pointer" && event.buttons === 12), "the wheel");
    const nothing = { type: "pointer", x: 0, y: 0, buttons: 0 };
    await until(() => JSON.stringify(events.at(-1)) === JSON.stringify(nothing), "the end of it");
  });
});

describe("what cannot work", () => {
  const common = { layout: LAYOUT, screen: SCREEN, onInput: () => undefined, onEnd: () => undefined };

  it("is a window that is not there", async () => {
    await expect(WindowCapture.start({ ...common, env: display.env, window: 12345 })).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(WindowSink.start({ ...common, env: display.env, window: 12345 })).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("is no display, one that nobody serves, one whose cookie is not known, and Wayland", async () => {
    const { DISPLAY } = display.env;
    const bad = [
      { ...display.env, DISPLAY: undefined },
      { ...display.env, DISPLAY: ":63999" },
      { ...display.env, XAUTHORITY: "/nowhere" },
      { ...display.env, DISPLAY, XDG_SESSION_TYPE: "wayland" },
    ];
    for (const env of bad) {
      await expect(WindowCapture.start({ ...common, env, window: window.id })).rejects.toMatchObject({ code: "ENVIRONMENT" });
      await expect(WindowSink.start({ ...common, env, window: window.id })).rejects.toMatchObject({ code: "ENVIRONMENT" });
    }
  });
});

describe("the end", () => {
  it("comes when the window is closed, or the whole display is gone", async () => {
    const ended = async (act: (display: HeadlessDisplay, vnc: FakeVncServer) => Promise<void>): Promise<HomewardError> => {
      const [own, vnc] = [await HeadlessDisplay.start(), await FakeVncServer.start()];
      const { id } = await openViewer(own, vnc.socketPath, SCREEN);
      const end = Promise.withResolvers<HomewardError>();
      const capture = await WindowCapture.start({
        env: own.env,
        window: id,
        layout: LAYOUT,
        screen: SCREEN,
        onInput: () => undefined,
        onEnd: end.resolve,
      });
      await act(own, vnc);
      const error = await end.promise;
      await capture.stop();
      await own.stop();
      await vnc.stop();
      return error;
    };
    expect(await ended((_own, vnc) => vnc.exit())).toMatchObject({ code: "NOT_FOUND" });
    expect(await ended((own) => own.stop())).toMatchObject({ code: "ENVIRONMENT" });
  });
});

describe("homeward capture", () => {
  it("lists the windows, and brings what is done in one to the service", async () => {
    const taken: CapturedEvent[] = [];
    const service = await FakeService.start({
      capture: (_params, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => {
            resolve({ events: taken.length });
          });
        }),
      captured: ({ events }) => {
        taken.push(...events);
        return Promise.resolve({ screen: SCREEN, recording: true });
      },
    });
    const stop = new AbortController();
    const surroundings = { stateDir: service.dir, env: display.env, signal: stop.signal };
    try {
      const listed = await runCli(["capture", "work", "--json"], surroundings);
      checkLine("capture", listed.json.at(-1) ?? {});
      const id = `0x${window.id.toString(16)}`;
      expect(listed.json.at(-1)?.["windows"]).toContainEqual(expect.objectContaining({ id, x: 100, y: 200, ...SCREEN }));

      const captured = runCli(["capture", "work", "--window", id, "--scale", "none", "--json"], surroundings);
      const common = { env: display.env, window: window.id, layout: LAYOUT, screen: SCREEN };
      const hands = await WindowSink.start({ ...common, onEnd: () => undefined });
      // It listens at some time.
      for (let i = 0; taken.length < 2 && i < 500; i++) {
        for (const down of [true, false]) hands.key(down, 0x7a, 0x2c);
        await delay(20);
      }
      hands.pointer(10, 20, 0);
      await until(() => taken.some(({ type }) => type === "pointer"), "the pointer");
      await hands.stop();
      stop.abort();
      const { status, json } = await captured;
      expect(taken[0]).toEqual({ type: "key", down: true, keysym: 0x7a, keycode: 0x2c });
      expect(taken.at(-1)).toEqual({ type: "pointer", x: 10, y: 20, buttons: 0 });
      for (const line of json) checkLine("capture", line);
      expect([status, json.at(-1)]).toEqual([0, { type: "result", windows: null, window: id, events: taken.length, ended: "stopped" }]);
    } finally {
      await service.stop();
    }
  });

  it("says what the service refuses, and when the session is Wayland's", async () => {
    const service = await FakeService.start({});
    const id = `0x${window.id.toString(16)}`;
    const refused = await runCli(["capture", "work", "--window", id], { stateDir: service.dir, env: display.env });
    expect([refused.status, refused.stderr]).toEqual([EXIT_STATUS.CONFLICT, expect.stringContaining("not in this test")]);
    const wayland = { ...display.env, WAYLAND_DISPLAY: "wayland-0" };
    const { status, stderr } = await runCli(["capture", "work"], { stateDir: service.dir, env: wayland });
    expect([status, stderr]).toEqual([EXIT_STATUS.ENVIRONMENT, expect.stringContaining("Wayland")]);
    await service.stop();
  });
});

describe("a program that holds a native package", () => {
  it.each([
    ["dies", "process.kill(process.pid, 'SIGSEGV')", "ENVIRONMENT"],
    ["ends with words", "console.error('no display'); process.exit(3)", "ENVIRONMENT"],
    ["says what is no message", "console.log('hello'); setInterval(() => 0, 1000)", "PEER"],
    ["never ends its line", "process.stdout.write('x'.repeat(100000)); setInterval(() => 0, 1000)", "PEER"],
  ])("is given up when it %s", async (_what, source, code) => {
    const folder = await mkdtemp(join(tmpdir(), "hw-child-"));
    const program = join(folder, "program.mjs");
    await writeFile(program, source);
    const end = Promise.withResolvers<HomewardError>();
    const child = await ChildProgram.start({
      program,
      env: process.env,
      schema: captureMessageSchema,
      onMessage: () => undefined,
      onEnd: end.resolve,
    });
    expect(await end.promise).toMatchObject({ code });
    await child.stop();
    await rm(folder, { recursive: true });
  });
});
