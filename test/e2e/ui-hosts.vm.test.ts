import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildGuest } from "../../guests/build.ts";
import { openIdentity } from "../../service/peers/identity.ts";
import { dialTls } from "../../service/peers/tls.ts";
import { StatePaths } from "../../service/store/paths.ts";
import { eventually, failure, removeHosts, TestHost } from "./migration-hosts.ts";
import { launchBrowser, lookAt, openUi, type UiPage } from "./ui-browser.ts";
import { tabTo } from "./ui-hands.ts";

/** As long as names may be. */
const [LONG_HOST, LONG_WORKSPACE] = ["a-host-with-a-name-of-32-letters", "and-a-workspace-with-such-a-name"];

/** Two services that know nobody, each with its pages, and a third whose door is shut. */
let dir: string;
let near: TestHost;
let far: TestHost;
let shut: TestHost;
let browser: Browser;
let nearUi: UiPage;
let farUi: UiPage;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-ui-"));
  [near, far] = [new TestHost(dir, "near", "paired"), new TestHost(dir, "far", "paired")];
  shut = new TestHost(dir, LONG_HOST, { name: LONG_HOST.replace("a-host", "neighb"), socket: join(dir, "none.sock") });
  [browser] = await Promise.all([launchBrowser(), near.start(), far.start(), shut.start()]);
  const permissions = ["clipboard-read", "clipboard-write"];
  nearUi = await openUi(browser, near, { permissions });
  farUi = await openUi(browser, far, { permissions });
});
afterAll(async () => {
  await browser.close();
  await removeHosts(dir, near, far, shut);
});

async function addressOf(host: TestHost): Promise<string> {
  return String((await host.call("hosts", {})).listen);
}

describe("the first run", () => {
  it("leads to what is to be done", async () => {
    const { page } = nearUi;
    await page.getByRole("heading", { name: "Four steps to your first move" }).waitFor();
    expect(await page.locator("li[aria-current=step] h3").textContent()).toBe("Make a workspace");
    await lookAt(page, "first-run");
    await page.getByRole("link", { name: "Pair a computer" }).click();
    await page.getByRole("heading", { name: "Pair a computer" }).waitFor();
    await page.getByRole("link", { name: "Hosts" }).click();
    await page.getByText("No other hosts yet").waitFor();
    await lookAt(page, "hosts-empty");
  });
});

describe("pairing two hosts", () => {
  it("can be done with the mouse: this one's ID is copied, wrong characters are told at once", async () => {
    const { page } = nearUi;
    // The other one's ID, as a person takes it over.
    await farUi.page.getByRole("link", { name: "Hosts" }).click();
    await farUi.page.getByRole("button", { name: "Copy the ID of far" }).click();
    await farUi.page.getByRole("button", { name: "Copied" }).waitFor();
    const id = await farUi.page.evaluate<string>("navigator.clipboard.readText()");
    expect(id).toBe((await far.call("hosts", {})).id);

    await page.getByRole("link", { name: "Pair a computer" }).click();
    const next = page.getByRole("button", { name: "Next: compare" });
    await next.waitFor();
    expect(await next.isDisabled()).toBe(true);
    const field = page.getByLabel("Its ID");
    await field.fill(id.slice(0, 10));
    await page.getByText("9 of 56 characters").waitFor();
    const other = id[3] === "Q" ? "R" : "Q";
    await field.fill(`${id.slice(0, 3)}${other}${id.slice(4, 16)}`);
    await page.getByRole("alert").getByText("a mistake in its groups 1 and 2").waitFor();
    await lookAt(page, "pair-mistake");
    await field.fill((await near.call("hosts", {})).id);
    await page.getByText("This is the ID of this host itself.").waitFor();
    await field.fill(id.toLowerCase());
    await page.getByText("The check characters are right.").waitFor();
    await page.getByLabel("Its name").fill("far");
    await page.getByLabel("Its address").fill(await addressOf(far));
    await next.click();

    await page.getByRole("button", { name: "They are the same: pair" }).waitFor();
    expect((await page.getByLabel("ID of far", { exact: true }).textContent())?.replaceAll(/[^A-Z2-7]/g, "")).toBe(id.replaceAll("-", ""));
    await page.getByLabel("Only these").click();
    await page.getByLabel("Names, with commas between them").fill("desk, Notes!");
    await page.getByText("A name is 1 to 32").waitFor();
    await page.getByLabel("Names, with commas between them").fill("desk, notes");
    await page.getByLabel("far may move workspaces to this host").uncheck();
    await lookAt(page, "pair-compare");
    await page.getByRole("button", { name: "They are the same: pair" }).click();
    await page.getByText("This host knows far now").waitFor();
    await lookAt(page, "pair-done");
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByRole("article", { name: "far" }).getByText("not seen yet", { exact: true }).waitFor();
    const { hosts } = await near.call("hosts", {});
    expect(hosts).toMatchObject([{ name: "far", id, rights: { push: false, take: true, workspaces: ["desk", "notes"] } }]);
  });

  it("can be done with the keyboard, with the one that knocked", async () => {
    const { page } = farUi;
    const { id } = await near.call("hosts", {});
    await knock();
    const stranger = page.getByRole("article", { name: "Wants to be paired" });
    await stranger.getByText(id).waitFor();
    await lookAt(page, "hosts-knocked");
    await tabTo(page, "Compare and pair");
    await page.keyboard.press("Enter");
    await page.getByRole("group", { name: "Those that knocked" }).waitFor();
    await tabTo(page, "Its name");
    await page.keyboard.type("near");
    await tabTo(page, "Its address");
    await page.keyboard.press("Control+A");
    await page.keyboard.type(await addressOf(near));
    await page.keyboard.press("Enter");
    await page.getByLabel("ID of near", { exact: true }).waitFor();
    await tabTo(page, "They are the same: pair");
    await page.keyboard.press("Enter");
    await page.getByText("This host knows near now").waitFor();
    await tabTo(page, "Done");
    await page.keyboard.press("Enter");
    await page.getByRole("article", { name: "near" }).waitFor();
    expect((await far.call("hosts", {})).hosts).toMatchObject([{ name: "near", id, rights: { push: true, take: true, workspaces: null } }]);
  });
});

/** As `near` does when it is to move something: connects to `far`, which has not paired it and sends it away. */
async function knock(): Promise<void> {
  const [paired] = (await near.call("hosts", {})).hosts;
  if (paired === undefined) throw new Error("far is not paired");
  const socket = await dialTls(await openIdentity(new StatePaths(near.state).identity), paired);
  socket.on("error", () => undefined).resume();
  await eventually("far was knocked at", async () => (await far.call("hosts", {})).pending.length > 0);
  socket.destroy();
}

describe("a paired host", () => {
  it("is given other rights", async () => {
    const { page } = nearUi;
    const card = page.getByRole("article", { name: "far" });
    await card.getByRole("button", { name: "More for far" }).click();
    await page.getByRole("menuitem", { name: "Change rights…" }).click();
    await page.getByLabel("far may move workspaces to this host").check();
    await page.getByLabel("All workspaces").check();
    await lookAt(page, "hosts-rights");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await card.getByText("far may move workspaces to this host").waitFor();
    expect((await near.call("hosts", {})).hosts[0]?.rights).toEqual({ push: true, take: true, workspaces: null });
    await lookAt(page, "hosts-paired");
  });

  it("is unpaired by who confirms it", async () => {
    const { page, complaints } = nearUi;
    const menu = page.getByRole("article", { name: "far" }).getByRole("button", { name: "More for far" });
    await menu.click();
    await page.getByRole("menuitem", { name: "Unpair…" }).click();
    await lookAt(page, "hosts-unpair");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    expect((await near.call("hosts", {})).hosts).toHaveLength(1);
    await menu.click();
    await page.getByRole("menuitem", { name: "Unpair…" }).click();
    await page.getByRole("button", { name: "Unpair", exact: true }).click();
    await page.getByText("No other hosts yet").waitFor();
    expect((await failure(near.call("unpair", { name: "far" }))).code).toBe("NOT_FOUND");
    expect([...complaints, ...farUi.complaints]).toEqual([]);
  });
});

describe("a host whose door is shut", () => {
  it("says how to open it", async () => {
    const { page, complaints } = await openUi(browser, shut);
    await page.getByRole("link", { name: "Hosts" }).click();
    await page.getByText("Other hosts cannot reach this one yet").waitFor();
    await page.getByText(`homeward serve --name ${LONG_HOST} --listen 0.0.0.0:7411`).waitFor();
    await page.getByText("reached by a socket").waitFor();
    await page.getByText("It did not answer").waitFor();
    await lookAt(page, "hosts-shut");
    expect(complaints).toEqual([]);
  });

  it("has room for names as long as they may be", async () => {
    const guest = await buildGuest("tiny");
    await shut.call("create", { workspace: LONG_WORKSPACE, from: guest.dir, accelerator: "tcg" });
    const { page, complaints } = await openUi(browser, shut);
    await page.getByRole("button", { name: `Start: ${LONG_WORKSPACE}` }).waitFor();
    await lookAt(page, "workspaces-long");
    await page.goto(page.url().replace(/#.*/, `#/console/${LONG_WORKSPACE}`));
    await page.getByText(`${LONG_WORKSPACE} is switched off`).waitFor();
    await lookAt(page, "console-long");
    expect(complaints).toEqual([]);
  });
});
