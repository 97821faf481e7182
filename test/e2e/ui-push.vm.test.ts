import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Locator } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, makeTiny, promptShown, removeHosts, TestHost, WORKSPACE } from "./migration-hosts.ts";
import { pairThroughRelay, type TcpRelay } from "./tcp-relay.ts";
import { launchBrowser, lookAt, openUi, type UiPage } from "./ui-browser.ts";

/** A host that holds nothing of a workspace is given its generation by the pages. */
const LANDS = { timeout: 180_000 };

let dir: string;
let near: TestHost;
let far: TestHost;
let relay: TcpRelay;
let browser: Browser;
let tab: UiPage;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-ui-"));
  [near, far] = [new TestHost(dir, "near", "paired"), new TestHost(dir, "far", "paired")];
  [browser] = await Promise.all([launchBrowser(), near.start(), far.start()]);
  relay = await pairThroughRelay(near, far);
  await makeTiny(near);
  await near.call("start", { workspace: WORKSPACE });
  const console = await near.console();
  await promptShown(console);
  console.close();
  tab = await openUi(browser, near);
});
afterAll(async () => {
  await browser.close();
  await relay.close();
  await removeHosts(dir, near, far);
});

function card(): Locator {
  return tab.page.getByRole("article", { name: WORKSPACE });
}

describe("a workspace that no other host holds", () => {
  it("is sealed and laid down by the guide, which says why it did not get there", async () => {
    const { page } = tab;
    const lay = page.getByRole("region", { name: "Four steps" }).getByRole("button", { name: `Lay ${WORKSPACE} down on far` });
    await lay.waitFor();
    await lookAt(page, "first-run-lay");
    // It is cut off on the way.
    relay.bytes = 0;
    relay.cutAt = 8e6;
    await lay.click();
    await card().getByText("Laying its state down on far").waitFor();
    await lookAt(page, "laying-down");
    await card().getByRole("alert").getByText(`"homeward push ${WORKSPACE} far" goes on where this stopped.`).waitFor(LANDS);
    await lookAt(page, "laying-down-failed");
    expect(await near.workspace()).toMatchObject({ owner: "here", state: "running", generation: { holders: [] } });
  });

  it("goes on when the tab is closed, and ends when it is stopped in another, though the other host says nothing", async () => {
    far.signal("SIGSTOP");
    await card().getByRole("button", { name: `Try again: ${WORKSPACE}` }).click();
    await card().getByText("Laying its state down on far").waitFor();
    await tab.page.context().close();
    tab = await openUi(browser, near);
    await card().getByText("Laying its state down on far").waitFor();
    await card().getByRole("button", { name: "Stop" }).click();
    await card().getByText("Laying its state down on far").waitFor({ state: "hidden" });
    expect(await card().getByRole("alert").count()).toBe(0);
    far.signal("SIGCONT");
    expect(await near.workspace()).toMatchObject({ state: "running", generation: { holders: [] } });
  });

  it("cannot be moved yet, and is laid down instead", async () => {
    const { page } = tab;
    await card().getByRole("button", { name: `Migrate to far: ${WORKSPACE}` }).click();
    await page.getByText("far has no earlier state of it to start from yet.").waitFor();
    await lookAt(page, "migrate-dialog-lacking");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await card().getByRole("button", { name: `More for ${WORKSPACE}` }).click();
    await page.getByRole("menuitem", { name: "Lay it down on far" }).waitFor();
    await lookAt(page, "workspace-menu-lay");
    await page.keyboard.press("Escape");
    await card().getByRole("button", { name: `Migrate to far: ${WORKSPACE}` }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Lay it down on far" }).click();
    await card().getByText("An earlier state is on far").waitFor(LANDS);
    await card().getByText("Laying its state down on far").waitFor({ state: "hidden" });
    const { base } = await near.workspace();
    await eventually("far holds it", async () => (await far.workspace()).base === base);
    await lookAt(page, "laid-down");
    await card().getByRole("button", { name: `Migrate to far: ${WORKSPACE}` }).click();
    await page.getByRole("button", { name: "Migrate now" }).waitFor();
    await page.keyboard.press("Escape");
  });

  it("is listed among what the other host holds", async () => {
    const { page, complaints } = tab;
    await page.getByRole("link", { name: "Hosts" }).click();
    await page.getByRole("article", { name: "far" }).getByText(/^an earlier state of desk, made .*, .*MB$/).waitFor();
    await page.getByRole("article", { name: "far" }).getByText(/B of disk and .*B of memory free$/).waitFor();
    await lookAt(page, "hosts");
    expect(complaints).toEqual([]);
  });
});
