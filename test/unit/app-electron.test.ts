import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { HomewardError } from "../../common/errors.ts";
import type { ServiceSession } from "../../electron/gateway.ts";
import { Application } from "../../electron/main/application.ts";
import type { ServiceAccess } from "../../electron/main/service.ts";
import { FakeContents, FakeElectron, FakeWindow } from "./fake-electron.ts";

let dir: string;
let electron: FakeElectron;
/** Whether the page asked for a service to be started. */
let starts: boolean[];
let opened: () => Promise<ServiceSession>;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-app-"));
  await writeFile(join(dir, "index.html"), "<!doctype html>");
  await writeFile(join(dir, "main.js"), "1");
  await writeFile(join(dir, "secret.txt"), "no page");
  electron = new FakeElectron();
  starts = [];
  opened = () => Promise.resolve({ origin: "http://127.0.0.1:7", token: "t" });
});
afterEach(async () => {
  electron.app.quit();
  await rm(dir, { recursive: true });
});

function application(pages = dir): Application {
  const service = {
    running: () => Promise.reject(new HomewardError("ENVIRONMENT", "no service")),
    openSession: (start: boolean) => {
      starts.push(start);
      return opened();
    },
  } as unknown as ServiceAccess;
  return new Application(electron.parts, { pages, preload: "/p/preload.cjs", icon: "/p/icon.png", command: [] }, service);
}

async function started(): Promise<FakeWindow> {
  expect(await application().start()).toBe(true);
  const [window] = FakeWindow.all;
  if (window === undefined) throw new Error("no window");
  return window;
}

describe("the app's window", () => {
  it("shows the app's own pages, sandboxed, isolated and without Node", async () => {
    const window = await started();
    expect(window.loaded).toBe("homeward://app/");
    expect(electron.app.isSandboxed).toBe(true);
    expect(window.options["webPreferences"]).toMatchObject({
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      allowRunningInsecureContent: false,
      experimentalFeatures: false,
      webviewTag: false,
    });
    expect(electron.applicationMenu).toBeNull();
    expect(window.shown).toBe(0);
    window.emit("ready-to-show");
    expect(window.shown).toBe(1);
  });

  it("is the only one: a second start shows the first one's", async () => {
    const window = await started();
    window.minimized = true;
    electron.app.emit("second-instance");
    expect(FakeWindow.all).toHaveLength(1);
    expect(window).toMatchObject({ minimized: false, shown: 1 });
    window.emit("closed");
    electron.app.emit("second-instance");
    expect(FakeWindow.all).toHaveLength(2);
  });

  it("is not opened by a second app", async () => {
    electron.app.hasLock = false;
    expect(await application().start()).toBe(false);
    expect(electron.app.hasQuit).toBe(true);
    expect(FakeWindow.all).toHaveLength(0);
  });

  it("may be closed without ending the app", async () => {
    await started();
    electron.app.emit("window-all-closed");
    expect(electron.app.hasQuit).toBe(false);
  });

  it("says why the app cannot start", async () => {
    expect(await application(join(dir, "nowhere")).start()).toBe(false);
    expect(electron.errors).toEqual(["the app's pages are not where they should be"]);
    expect(electron.app.hasQuit).toBe(true);
  });
});

describe("the pages' scheme", () => {
  it("serves what was built and nothing else, with a strict policy", async () => {
    await started();
    expect(electron.schemes).toEqual([{ scheme: "homeward", privileges: { standard: true, secure: true, supportFetchAPI: true } }]);
    const page = electron.fetch("homeward://app/");
    expect(await page.text()).toBe("<!doctype html>");
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toMatch(/unsafe|https?:\/\/(?!127\.0\.0\.1)/);
    expect(electron.fetch("homeward://app/main.js").status).toBe(200);
    // A URL has no way above its root.
    expect(electron.fetch("homeward://app/%2e%2e/main.js").status).toBe(200);
    for (const url of ["homeward://app/secret.txt", "homeward://app/%2e%2e%2fsecret.txt", "homeward://other/", "homeward://app/index.html"])
      expect(electron.fetch(url).status, url).toBe(404);
    expect(electron.fetch("homeward://app/", "POST").status).toBe(404);
  });
});

describe("contents of any window", () => {
  it.each(["will-navigate", "will-redirect", "will-frame-navigate"])("%s goes nowhere else", async (event) => {
    await started();
    const contents = new FakeContents();
    electron.app.emit("web-contents-created", {}, contents);
    const prevented = (url: string): boolean => {
      const preventDefault = vi.fn();
      contents.emit(event, { preventDefault, url });
      return preventDefault.mock.calls.length > 0;
    };
    for (const url of ["https://example.org/", "file:///etc/passwd", "homeward://app.example.org/", "homeward://other/", "javascript:1", "no url"])
      expect(prevented(url), url).toBe(true);
    expect(prevented("homeward://app/#/hosts")).toBe(false);
  });

  it("opens no window and holds no webview", async () => {
    await started();
    const contents = new FakeContents();
    electron.app.emit("web-contents-created", {}, contents);
    expect(contents.windowOpen?.({ url: "homeward://app/" })).toEqual({ action: "deny" });
    const preventDefault = vi.fn();
    contents.emit("will-attach-webview", { preventDefault });
    expect(preventDefault).toHaveBeenCalledOnce();
  });

  it("is permitted nothing but full screen, writing to the clipboard, and saving what a page made", async () => {
    await started();
    const granted: boolean[] = [];
    for (const permission of ["media", "geolocation", "notifications", "openExternal", "clipboard-read"])
      electron.answers.request?.(...([null, permission, (allowed: boolean) => granted.push(allowed)] as never[]));
    expect(granted).toEqual([false, false, false, false, false]);
    const check = (permission: string, origin: string): unknown => electron.answers.check?.(...([null, permission, origin] as never[]));
    expect(check("fullscreen", "homeward://app/")).toBe(true);
    expect(check("fullscreen", "https://example.org/")).toBe(false);
    expect(check("media", "homeward://app/")).toBe(false);
    expect(electron.answers.device?.()).toBe(false);
    const isPrevented = (url: string): boolean => {
      const preventDefault = vi.fn();
      electron.session.emit("will-download", { preventDefault }, { getURL: () => url });
      return preventDefault.mock.calls.length > 0;
    };
    for (const url of ["https://example.org/a", "blob:https://example.org/1", "blob:homeward://app.example.org/1", "homeward://app/main.js"])
      expect(isPrevented(url), url).toBe(true);
    expect(isPrevented("blob:homeward://app/1")).toBe(false);
  });
});

describe("the gateway", () => {
  it("gives the app's own page a session, and starts a service only if asked to", async () => {
    const { webContents } = await started();
    const answer = await electron.invoke(webContents, { kind: "open-session", start: true });
    expect(answer).toEqual({ ok: true, value: { origin: "http://127.0.0.1:7", token: "t" } });
    await electron.invoke(webContents, { kind: "open-session", start: false });
    expect(starts).toEqual([true, false]);
  });

  it("answers with what failed", async () => {
    const { webContents } = await started();
    opened = () => Promise.reject(new HomewardError("ENVIRONMENT", "does not start", { hint: "Look." }));
    const answer = await electron.invoke(webContents, { kind: "open-session", start: true });
    expect(answer).toEqual({ ok: false, code: "ENVIRONMENT", message: "does not start", hint: "Look." });
  });

  it("opens the system's dialog", async () => {
    const { webContents } = await started();
    expect(await electron.invoke(webContents, { kind: "choose-image" })).toEqual({ ok: true, value: null });
    electron.chosen = ["/images/a.qcow2"];
    expect(await electron.invoke(webContents, { kind: "choose-image" })).toEqual({ ok: true, value: "/images/a.qcow2" });
  });

  it("refuses anybody else, and anything else", async () => {
    const { webContents } = await started();
    const ask = { kind: "open-session", start: false };
    const refused = { ok: false, code: "USAGE", message: "only Homeward's own pages may ask this", hint: null };
    expect(await electron.invoke(new FakeContents(), ask)).toEqual(refused);
    expect(await electron.invoke(webContents, ask, { origin: "homeward://app" })).toEqual(refused);
    expect(await electron.invoke(webContents, ask, null)).toEqual(refused);
    webContents.mainFrame.origin = "https://example.org";
    expect(await electron.invoke(webContents, ask)).toEqual(refused);
    webContents.mainFrame.origin = "homeward://app";
    for (const request of [undefined, "open-session", { kind: "run" }, { ...ask, command: "sh" }, { kind: "open-session" }])
      expect(await electron.invoke(webContents, request)).toEqual({ ok: false, code: "USAGE", message: "there is no such request", hint: null });
    expect(starts).toEqual([]);
  });
});

describe("the tray", () => {
  it("opens the window, and quits without touching the service", async () => {
    const window = await started();
    const entry = (label: RegExp): (() => void) | undefined => electron.trayMenu.find((item) => label.test(item.label ?? ""))?.click;
    expect(electron.trayMenu[0]?.label).toBe("No service runs");
    entry(/Open/)?.();
    expect(window.shown).toBe(1);
    entry(/Quit/)?.();
    expect(electron.app.hasQuit).toBe(true);
  });
});
