import { describe, expect, it } from "vitest";
import { HomewardError } from "../../common/errors.ts";
import { sessionDisplay } from "../../viewer/display.ts";
import { ROBOT_KEYS } from "../../viewer/keys.ts";
import { captureMessageSchema, endError, endMessage, MAX_LINE_BYTES, MessageLines, type CaptureMessage } from "../../viewer/messages.ts";
import { loadNative } from "../../viewer/native.ts";
import { cookieFile, findCookie, parseDisplay } from "../../viewer/x11/authority.ts";
import { chooseWindow, type WindowInfo } from "../../viewer/x11/windows.ts";

const KEY = { type: "key", down: true, keysym: 0x61, keycode: 0x1e } as const;

describe("lines between the programs", () => {
  function lines(): { taken: CaptureMessage[]; push: (text: string) => void } {
    const taken: CaptureMessage[] = [];
    const reader = new MessageLines(captureMessageSchema, (message) => taken.push(message));
    return {
      taken,
      push: (text) => {
        reader.push(text);
      },
    };
  }

  it("are put together however they come", () => {
    const { taken, push } = lines();
    for (const character of `${JSON.stringify(KEY)}\n{"type":"ready"}\n`) push(character);
    push(`${JSON.stringify(KEY)}\n${JSON.stringify(KEY)}\n`);
    expect(taken).toEqual([KEY, { type: "ready" }, KEY, KEY]);
  });

  it.each([
    ["no JSON", "ready\n"],
    ["another message", '{"type":"key"}\n'],
    ["more than a message", `${JSON.stringify({ ...KEY, more: 1 })}\n`],
    ["an impossible key", `${JSON.stringify({ ...KEY, keycode: 256 })}\n`],
    ["an impossible place", '{"type":"pointer","x":-1,"y":0,"buttons":0}\n'],
    ["a line that never ends", "x".repeat(MAX_LINE_BYTES + 1)],
    ["a long line", `${" ".repeat(MAX_LINE_BYTES)}{"type":"ready"}\n`],
  ])("that are %s are refused", (_what, text) => {
    const { taken, push } = lines();
    expect(() => {
      push(text);
    }).toThrow(expect.objectContaining({ code: "PEER" }));
    expect(taken).toEqual([]);
  });

  it("carry an error whole", () => {
    const error = endError(endMessage(new HomewardError("NOT_FOUND", "gone", { hint: "look" })));
    expect(error).toMatchObject({ code: "NOT_FOUND", message: "gone", hint: "look" });
  });
});

describe("the display of a session", () => {
  it("is the one that is named, unless it is Wayland's", () => {
    expect(sessionDisplay({ DISPLAY: ":1" })).toBe(":1");
    for (const env of [{}, { DISPLAY: "" }, { DISPLAY: ":0", WAYLAND_DISPLAY: "wayland-0" }, { DISPLAY: ":0", XDG_SESSION_TYPE: "wayland" }])
      expect(() => sessionDisplay(env)).toThrow(expect.objectContaining({ code: "ENVIRONMENT" }));
    expect(() => sessionDisplay({ WAYLAND_DISPLAY: "wayland-0" })).toThrow(/X11|Wayland/);
  });

  it("has a host and a number", () => {
    expect(parseDisplay(":12")).toEqual({ host: "", number: 12 });
    expect(parseDisplay("unix:0.0")).toEqual({ host: "", number: 0 });
    expect(parseDisplay("localhost:10.0")).toEqual({ host: "localhost", number: 10 });
    for (const text of ["", "0", "a b:0", ":x", ":1234567"]) expect(() => parseDisplay(text)).toThrow(/display/);
  });

  it("has a cookie, if the file is whole and names it", () => {
    const data = Buffer.from("0123456789abcdef");
    const file = cookieFile(data);
    const display = { host: "", number: 3 };
    expect(findCookie(file, display, "here")).toEqual({ name: Buffer.from("MIT-MAGIC-COOKIE-1"), data });
    for (let length = 0; length < file.length; length++)
      expect(findCookie(file.subarray(0, length), display, "here").data).toHaveLength(0);
    // Family local, for this host and display 4.
    const entry = (host: string): Buffer =>
      Buffer.concat([Buffer.from([1, 0, 0, host.length]), Buffer.from(host), Buffer.from([0, 1]), Buffer.from("4"), file.subarray(6)]);
    expect(findCookie(entry("here"), { host: "", number: 4 }, "here").data).toEqual(data);
    expect(findCookie(entry("here"), display, "here").data).toHaveLength(0);
    expect(findCookie(Buffer.concat([entry("away"), file]), { host: "", number: 4 }, "here").data).toEqual(data);
  });
});

describe("a native package", () => {
  it("that is not installed is named, with what to do", async () => {
    await expect(loadNative(() => import("not-installed-" + String(ROBOT_KEYS.size)), "robotjs")).rejects.toMatchObject({
      code: "ENVIRONMENT",
      hint: "Install it with: npm install robotjs",
    });
    const cause = new Error("libXtst.so.6: cannot open shared object file");
    await expect(loadNative(() => Promise.reject(cause), "robotjs")).rejects.toMatchObject({
      code: "ENVIRONMENT",
      hint: expect.stringContaining("libxtst6") as string,
    });
  });
});

describe("choosing a window", () => {
  const window = (id: number, title: string): WindowInfo => ({ id, title, program: "x", x: 0, y: 0, width: 1, height: 1 });
  const windows = [window(0x1c00007, "work - TigerVNC"), window(0x2200003, "play - TigerVNC"), window(42, "notes")];

  it("takes an ID in both ways of writing and a part of a title", () => {
    for (const text of ["0x1c00007", "0x1C00007", "29360135", "work"]) expect(chooseWindow(windows, text)).toBe(windows[0]);
    expect(chooseWindow(windows, "NOTES")).toBe(windows[2]);
  });

  it("says what is wrong when there is none or several", () => {
    expect(() => chooseWindow(windows, "0x1")).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
    expect(() => chooseWindow(windows, "TigerVNC")).toThrow(
      expect.objectContaining({ code: "USAGE", hint: "Give the ID: 0x1c00007, 0x2200003." }),
    );
  });
});
