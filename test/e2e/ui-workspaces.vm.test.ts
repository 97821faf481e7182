import { createServer, type Server } from "node:net";
import { join } from "node:path";
import type { Browser, Locator } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createWebSocketStream, WebSocket } from "ws";
import { run } from "../../common/spawn.ts";
import { CONSOLE_PATH, CONSOLE_PROTOCOL, TOKEN_PROTOCOL_PREFIX } from "../../protocol/control.ts";
import { RfbClient } from "../../vm/rfb/rfb-client.ts";
import { checkLine } from "../unit/cli-json-schemas.ts";
import { eventually, stillPicture, TwoHosts, type, WORKSPACE } from "./migration-hosts.ts";
import { launchBrowser, lookAt, openTab, type UiPage } from "./ui-browser.ts";

const CLI = join(import.meta.dirname, "..", "..", "cli", "main.ts");

let hosts: TwoHosts;
let browser: Browser;
let link: { url: string };
let tab: UiPage;
let console: Server | undefined;

beforeAll(async () => {
  [hosts, browser] = await Promise.all([TwoHosts.create(), launchBrowser()]);
  const { stdout } = await run(process.execPath, [CLI, "ui", "--no-open", "--json", "--state", hosts.near.state]);
  const line = JSON.parse(stdout.toString().trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
  checkLine("ui", line);
  link = { url: String(line["url"]) };
  tab = await openTab(browser, link.url);
});
afterAll(async () => {
  console?.close();
  await browser.close();
  await hosts.end();
});

function card(): Locator {
  return tab.page.getByRole("article", { name: WORKSPACE });
}

async function choose(item: string): Promise<void> {
  await card().getByRole("button", { name: `More for ${WORKSPACE}` }).click();
  await tab.page.getByRole("menuitem", { name: item, exact: true }).click();
}

describe("the page of workspaces", () => {
  it("is opened by a link that works once and stays nowhere", async () => {
    const { page } = tab;
    await card().waitFor();
    expect(page.url()).not.toContain("code");
    const again = await openTab(browser, link.url);
    await again.page.getByText("This page has to be opened anew").waitFor();
    await lookAt(again.page, "shut-out");
    await again.page.context().close();
    await page.reload();
    await card().waitFor();
  });

  it("shows state, place, recording and the screen", async () => {
    await card().getByText("Running", { exact: true }).waitFor();
    await card().getByText("Lives here, on near").waitFor();
    await card().getByText("Recording", { exact: true }).waitFor();
    await card().getByRole("img", { name: `Screen of ${WORKSPACE}` }).waitFor();
    expect(await tab.page.evaluate("document.querySelector('.thumbnail img').naturalWidth")).toBe(320);
    await card().getByRole("button", { name: `Migrate to far: ${WORKSPACE}` }).waitFor();
    await lookAt(tab.page, "workspaces-new");
  });

  it("can be used with the keyboard alone", async () => {
    const { page } = tab;
    await card().getByRole("button", { name: `More for ${WORKSPACE}` }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("menuitem", { name: "Pause recording" }).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Enter");
    await card().getByText("Recording paused").waitFor();
    expect((await hosts.near.workspace()).recordingPaused).toBe(true);
    // Nothing of a private moment is shown either.
    await card().getByText("Private moment").waitFor();
    expect(await hosts.near.call("thumbnail", { workspace: WORKSPACE })).toEqual({ tag: null, png: null });
    await choose("Go on recording");
    await card().getByText("Recording", { exact: true }).waitFor();
  });

  it("suspends and resumes", async () => {
    await card().getByRole("button", { name: `Suspend: ${WORKSPACE}` }).click();
    await card().getByRole("button", { name: `Resume: ${WORKSPACE}` }).click();
    await card().getByText("Running", { exact: true }).waitFor();
    expect((await hosts.near.workspace()).state).toBe("running");
  });

  it("fetches the picture only when it has changed", async () => {
    const first = await hosts.near.call("thumbnail", { workspace: WORKSPACE, width: 64 });
    expect(Buffer.from(first.png ?? "", "base64").subarray(1, 4).toString()).toBe("PNG");
    const viewer = await hosts.near.console();
    await eventually("the picture is the same", async () => {
      const { tag } = await hosts.near.call("thumbnail", { workspace: WORKSPACE, width: 64 });
      return (await hosts.near.call("thumbnail", { workspace: WORKSPACE, width: 64, unless: tag })).png === null;
    });
    await type(viewer, "seq 1 300\n");
    viewer.close();
    await eventually("it has changed", async () => {
      const { png } = await hosts.near.call("thumbnail", { workspace: WORKSPACE, width: 64, unless: first.tag });
      return png !== null;
    });
  });

  it("goes on by itself when the service comes back", async () => {
    await hosts.near.kill();
    await tab.page.getByText("Service does not answer", { exact: true }).waitFor();
    await lookAt(tab.page, "service-lost");
    await hosts.near.start();
    await tab.page.getByText("Service is running").waitFor();
    await card().getByRole("button", { name: `Suspend: ${WORKSPACE}` }).waitFor();
  });
});

describe("the console for a page", () => {
  it("speaks RFB, and what is typed there is recorded", async () => {
    const { origin } = new URL(tab.page.url());
    const token = await tab.page.evaluate<string>("sessionStorage.getItem('homeward.token')");
    const path = join(hosts.dir, "page.sock");
    console = createServer((viewer) => {
      const socket = new WebSocket(`${origin.replace("http", "ws")}${CONSOLE_PATH}${WORKSPACE}`, [CONSOLE_PROTOCOL, `${TOKEN_PROTOCOL_PREFIX}${token}`], { origin });
      const stream = createWebSocketStream(socket);
      stream.on("error", () => viewer.destroy());
      viewer.on("error", () => stream.destroy());
      viewer.pipe(stream).pipe(viewer);
    });
    await new Promise<void>((resolve) => console?.listen(path, resolve));
    const before = (await hosts.near.workspace()).log?.events ?? 0;
    const viewer = await RfbClient.connect(path);
    expect(viewer.width).toBeGreaterThan(600);
    await stillPicture(viewer);
    const blank = Buffer.from(viewer.frame.pixels);
    await type(viewer, "clear; echo over the page\n");
    expect((await stillPicture(viewer)).equals(blank)).toBe(false);
    viewer.close();
    await eventually("it is recorded", async () => ((await hosts.near.workspace()).log?.events ?? 0) > before + 20);
  });
});

describe("moving", () => {
  it("can be cancelled, goes on when the page is loaded anew, and arrives", async () => {
    const { page } = tab;
    const migrate = card().getByRole("button", { name: `Migrate to far: ${WORKSPACE}` });
    const confirm = page.getByRole("button", { name: "Migrate now" });
    // Which leaves time to cancel it.
    const repeat = (): Promise<unknown> => page.getByLabel("What counts").selectOption("replay");
    const backToCard = (): Promise<void> => page.getByRole("link", { name: "Workspaces", exact: true }).click();
    await migrate.click();
    await repeat();
    await confirm.click();
    await page.getByRole("heading", { name: `Moving ${WORKSPACE} to far` }).waitFor();
    await backToCard();
    await card().getByRole("button", { name: "Cancel move" }).click();
    await migrate.waitFor();
    expect((await hosts.near.workspace()).owner).toBe("here");
    await migrate.click();
    await repeat();
    await confirm.click();
    await page.getByRole("heading", { name: `Moving ${WORKSPACE} to far` }).waitFor();
    await backToCard();
    await card().getByText("Moving to far").waitFor();
    await lookAt(page, "moving");
    await page.reload();
    await card().getByText("Lives on far").waitFor({ timeout: 180_000 });
    await eventually("it has arrived", async () => (await hosts.far.workspace()).state === "running");
    await lookAt(page, "away");
  });

  it("is in the history", async () => {
    const { page } = tab;
    await page.getByRole("link", { name: "History" }).click();
    await page.getByRole("cell", { name: "Arrived" }).waitFor();
    await lookAt(page, "history-moved");
    await page.getByRole("link", { name: "Hosts" }).click();
    await page.getByText("far", { exact: true }).waitFor();
    await lookAt(page, "hosts-moved");
    await page.getByRole("link", { name: "Workspaces" }).click();
  });

  it("leaves something that can be deleted by who types its name", async () => {
    const { page, complaints } = tab;
    await choose("Delete…");
    const confirm = page.getByRole("button", { name: "Delete for good" });
    expect(await confirm.isDisabled()).toBe(true);
    await lookAt(page, "delete");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await choose("Delete…");
    await page.getByRole("textbox").fill(WORKSPACE);
    await page.keyboard.press("Enter");
    await page.getByText("No workspaces yet").waitFor();
    await lookAt(page, "empty");
    expect((await hosts.near.call("status", {})).workspaces).toEqual([]);
    expect(complaints).toEqual([]);
  });
});
