import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Locator } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, makeTiny, removeHosts, sealAtPrompt, stillPicture, TestHost, WORKSPACE } from "./migration-hosts.ts";
import { launchBrowser, lookAt, openUi, type UiPage } from "./ui-browser.ts";

let dir: string;
let host: TestHost;
let browser: Browser;
let tab: UiPage;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-ui-"));
  host = new TestHost(dir, "near", "paired");
  [browser] = await Promise.all([launchBrowser(), host.start()]);
  await makeTiny(host);
  await sealAtPrompt(host);
  tab = await openUi(browser, host);
});
afterAll(async () => {
  await browser.close();
  await removeHosts(dir, host);
});

function screen(): Locator {
  return tab.page.getByRole("application", { name: `Screen and keyboard of ${WORKSPACE}` });
}

/** The screen as another viewer sees it, once it stands still. */
async function seen(): Promise<Buffer> {
  const viewer = await host.console();
  const picture = Buffer.from(await stillPicture(viewer));
  viewer.close();
  return picture;
}

/** The screen as the page shows it. */
function shown(): Promise<string> {
  return tab.page.evaluate<string>("document.querySelector('.console-canvas canvas').toDataURL()");
}

async function events(): Promise<number> {
  return (await host.workspace()).log?.events ?? 0;
}

/** What was typed, as the log has it, pauses left out. */
async function typed(): Promise<string> {
  const { entries } = await host.call("log", { workspace: WORKSPACE, showText: true });
  return entries.map(({ text }) => text.replace(/^typed "?/, "").replace(/"$/, "")).join("");
}

/** Keys that the page presses (+) and releases (-) from now on, by keysym, read from what it sends. */
async function watchKeys(): Promise<() => Promise<string>> {
  await tab.page.evaluate(`(() => {
    window.sentKeys = [];
    window.realSend ??= WebSocket.prototype.send;
    WebSocket.prototype.send = function (data) {
      // QEMU's extended key event: 255, 0, u16 down, u32 keysym, u32 keycode.
      if (typeof data !== "string" && data[0] === 255) window.sentKeys.push((data[3] === 1 ? "+" : "-") + ((data[6] << 8) + data[7]).toString(16));
      return window.realSend.call(this, data);
    };
  })()`);
  return () => tab.page.evaluate<string>("window.sentKeys.join(' ')");
}

async function connected(): Promise<void> {
  await screen().waitFor();
  await tab.page.locator(".console-wait").waitFor({ state: "hidden" });
}

async function choose(menu: string, item: string): Promise<void> {
  await tab.page.getByRole("button", { name: menu, exact: true }).click();
  await tab.page.getByRole("menuitem", { name: item, exact: true }).click();
}

describe("the console in a page", () => {
  it("is opened from the card and shows the screen", async () => {
    await tab.page.getByRole("link", { name: `Open: ${WORKSPACE}` }).click();
    await connected();
    await tab.page.getByText("Recording", { exact: true }).waitFor();
    await eventually("a picture is drawn", async () => (await shown()).length > 2000);
  });

  it("types what the keyboard does, and it is recorded", async () => {
    const [before, picture] = [await seen(), await shown()];
    await screen().focus();
    await tab.page.keyboard.type("echo Over the Page", { delay: 60 });
    await eventually("it is recorded", async () => (await typed()).includes("echo Over the Page"));
    await eventually("the guest shows it", async () => !(await seen()).equals(before));
    await eventually("so does the page", async () => (await shown()) !== picture);
    await tab.page.keyboard.press("Enter");
    await lookAt(tab.page, "console");
  });

  it("types text as keys, leaves out what has none, and can be stopped", async () => {
    const { page } = tab;
    const paste = page.getByRole("button", { name: "Paste text…" });
    const field = page.getByRole("textbox", { name: "Text to type" });
    await paste.click();
    await field.fill('echo "Pasted: {a|b} ~100%" € ü');
    await page.getByText("they are left out: € ü").waitFor();
    await lookAt(page, "console-paste");
    await page.getByRole("button", { name: "Type it" }).click();
    await eventually("all of it was typed", async () => (await typed()).includes("Pasted: {a|b} ~100%"));
    await page.getByText(/^Typing:/).waitFor({ state: "hidden" });
    await page.keyboard.press("Enter");
    await paste.click();
    await field.fill("x".repeat(2001));
    await page.getByText("these are 2001").waitFor();
    expect(await page.getByRole("button", { name: "Type it" }).isDisabled()).toBe(true);
    await field.fill("y".repeat(1500));
    await page.getByRole("button", { name: "Type it" }).click();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByText(/^Typing:/).waitFor({ state: "hidden" });
    await screen().focus();
    await page.keyboard.press("Control+c");
    const count = [...(await typed()).matchAll(/y/g)].length;
    expect(count).toBeLessThan(1500);
  });

  it("sends keys that the browser keeps for itself", async () => {
    const [keys, before] = [await watchKeys(), await events()];
    await choose("Special keys", "Super (Windows key)");
    await choose("Special keys", "Esc");
    expect(await keys()).toBe("+ffeb -ffeb +ff1b -ff1b");
    await eventually("they are recorded", async () => (await events()) >= before + 4);
    expect(await tab.page.evaluate("document.activeElement.tagName")).toBe("CANVAS");
  });

  it("lets go of keys that are held when the focus goes, also by the keys that leave it", async () => {
    const { page } = tab;
    await screen().focus();
    const held = await watchKeys();
    await page.keyboard.down("Shift");
    expect(await held()).toBe("+ffe1");
    await page.getByRole("button", { name: "Paste text…" }).focus();
    await eventually("it is released", async () => (await held()) === "+ffe1 -ffe1");
    await page.keyboard.up("Shift");
    await screen().focus();
    const chord = await watchKeys();
    await page.keyboard.press("Control+Alt+Shift+F11");
    expect(await page.evaluate("document.activeElement.getAttribute('aria-label')")).toBe("Back to the workspaces");
    // The fourth key is the page's own.
    await eventually("they are released", async () => (await chord()) === "+ffe3 +ffe9 +ffe1 -ffe3 -ffe9 -ffe1");
  });

  it("shows every pixel or the whole screen, and fills the display", async () => {
    const { page } = tab;
    const width = (): Promise<number> => page.evaluate<number>("((canvas) => canvas.getBoundingClientRect().width / canvas.width)(document.querySelector('.console-canvas canvas'))");
    await page.getByRole("button", { name: "1:1" }).click();
    await eventually("it is not scaled", async () => (await width()) === 1);
    await page.getByRole("button", { name: "Fit", exact: true }).click();
    await eventually("it is scaled", async () => (await width()) !== 1);
    await page.getByRole("button", { name: "Full screen" }).click();
    await eventually("it fills the display", async () => (await page.evaluate("document.fullscreenElement?.className")) === "console-canvas");
    await page.evaluate("document.exitFullscreen()");
  });

  it("records nothing of a private moment", async () => {
    const { page } = tab;
    await page.getByRole("button", { name: "Private moment" }).click();
    await page.getByText("Private moment: nothing that you do now is recorded.").waitFor();
    expect((await host.workspace()).recordingPaused).toBe(true);
    const [before, picture] = [await events(), await seen()];
    await screen().focus();
    await page.keyboard.type("secret", { delay: 60 });
    await eventually("the guest shows it", async () => !(await seen()).equals(picture));
    expect(await events()).toBe(before);
    await lookAt(page, "console-private");
    await page.keyboard.press("Control+c");
    await page.getByRole("button", { name: "Go on recording" }).click();
    await page.getByText("Recording", { exact: true }).waitFor();
    expect(await typed()).not.toContain("secret");
  });

  it("comes back by itself when the service does", async () => {
    await host.kill();
    await tab.page.getByText("Service does not answer", { exact: true }).waitFor();
    await host.start();
    await tab.page.getByText("Service is running").waitFor();
    await connected();
    await screen().focus();
    await tab.page.keyboard.type("echo again", { delay: 60 });
    await eventually("it is recorded", async () => (await typed()).includes("echo again"));
    await tab.page.keyboard.press("Enter");
    // While there was no service it may have been tried in vain.
    for (const complaint of tab.complaints.splice(0)) expect(complaint).toMatch(/^Failed when connecting/);
  });

  it("says that the machine is suspended, and starts it", async () => {
    const { page, complaints } = tab;
    await choose("Power", "Suspend");
    await page.getByText(`${WORKSPACE} is suspended, exactly as you left it`).waitFor();
    await lookAt(page, "console-suspended");
    await page.getByRole("button", { name: "Resume" }).click();
    await connected();
    await eventually("it runs", async () => (await host.workspace()).state === "running");
    expect(complaints).toEqual([]);
  });
});
