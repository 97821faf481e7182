import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, stillPicture, TwoHosts, type, WORKSPACE } from "./migration-hosts.ts";
import { launchBrowser, lookAt, openUi, type UiPage } from "./ui-browser.ts";

const ARRIVES = { timeout: 180_000 };

let hosts: TwoHosts;
let browser: Browser;
let near: UiPage;
let far: UiPage;
/** The screen when it was left. */
let left: Buffer;

beforeAll(async () => {
  [hosts, browser] = await Promise.all([TwoHosts.create(), launchBrowser()]);
  const viewer = await hosts.near.console();
  await type(viewer, "seq 1 200 | md5sum; echo on the way\n");
  left = Buffer.from(await stillPicture(viewer));
  viewer.close();
  [near, far] = await Promise.all([openUi(browser, hosts.near), openUi(browser, hosts.far)]);
  await near.page.getByRole("img", { name: `Screen of ${WORKSPACE}` }).waitFor();
});
afterAll(async () => {
  await browser.close();
  await hosts.end();
});

/** Holds the other host's answer to what it lacks back until the pages were looked at. */
function holdAnswer(): { readonly reached: Promise<undefined>; readonly goOn: () => void } {
  const [reached, done] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
  hosts.relay.trap = {
    from: "answerer",
    frame: "needEnd",
    then: async () => {
      reached.resolve(undefined);
      await done.promise;
      return "pass";
    },
  };
  return {
    reached: reached.promise,
    goOn: () => {
      done.resolve(undefined);
    },
  };
}

async function beginMove(): Promise<void> {
  await near.page.getByRole("button", { name: `Migrate to far: ${WORKSPACE}` }).click();
  await near.page.getByRole("button", { name: "Migrate now" }).click();
  await near.page.getByRole("heading", { name: `Moving ${WORKSPACE} to far` }).waitFor();
}

describe("the page of a move", () => {
  it("is reached by a question that says what is known of the cost", async () => {
    const { page } = near;
    await page.getByRole("button", { name: `Migrate to far: ${WORKSPACE}` }).click();
    await page.getByText("What it will take is not known yet").waitFor();
    await lookAt(page, "migrate-dialog");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    expect((await hosts.near.workspace()).migration).toBeNull();
  });

  it("cancels a move, after which the machine goes on", async () => {
    const { page } = near;
    await beginMove();
    await page.getByText("You can cancel at any moment").waitFor();
    await page.getByRole("button", { name: "Cancel move" }).click();
    await page.getByText("The move was stopped").first().waitFor();
    await page.getByText(`${WORKSPACE} goes on where it was`).waitFor();
    await eventually("it runs here", async () => (await hosts.near.workspace()).state === "running");
    await lookAt(page, "move-cancelled");
    await page.getByRole("link", { name: "Workspaces", exact: true }).click();
  });

  it("shows on both hosts how far it is, and on the other one the replay", async () => {
    const held = holdAnswer();
    await far.page.getByText("Runs elsewhere").waitFor();
    await beginMove();
    await far.page.getByRole("link", { name: "Details" }).click();
    await far.page.getByRole("heading", { name: `${WORKSPACE} is arriving from near` }).waitFor();
    await held.reached;
    await far.page.getByRole("img", { name: "Screen of the copy" }).waitFor();
    await far.page.getByRole("img", { name: "Coarse picture" }).waitFor();
    await far.page.getByText(/^There already/).waitFor();
    const { blocks, bytes } = (await hosts.far.workspace()).migration ?? {};
    expect(blocks?.twin).toBeGreaterThan(0);
    expect(bytes?.index).toBeGreaterThan(0);
    await lookAt(far.page, "move-arriving");
    await lookAt(near.page, "move-leaving");
    held.goOn();
    await near.page.getByRole("heading", { name: `${WORKSPACE} has arrived on far` }).waitFor(ARRIVES);
    hosts.relay.trap = null;
  });

  it("says at the end what was saved, and the screen is at the other host", async () => {
    await near.page.getByText(/were sent instead of/).waitFor();
    await near.page.getByText(/^There already/).waitFor();
    await lookAt(near.page, "move-done");
    const { page } = far;
    await page.getByRole("heading", { name: `${WORKSPACE} has arrived here` }).waitFor();
    await page.getByRole("img", { name: `Screen of ${WORKSPACE}` }).waitFor();
    await lookAt(page, "move-arrived");
    await page.getByRole("link", { name: "Open the console" }).click();
    await page.locator(".console-wait").waitFor({ state: "hidden" });
    const viewer = await hosts.far.console();
    expect((await stillPicture(viewer)).equals(left)).toBe(true);
    await page.getByRole("application").focus();
    await page.keyboard.type("echo here", { delay: 60 });
    await eventually("the screen changes", () => Promise.resolve(!viewer.frame.pixels.equals(left)));
    viewer.close();
  });

  it("knows then about what the way back will take", async () => {
    const { page } = far;
    await page.getByRole("button", { name: `Migrate to near: ${WORKSPACE}` }).click();
    await page.getByText(/^Ready at near in about .* s, .*B$/).waitFor();
    await lookAt(page, "migrate-dialog-estimate");
    const { estimate } = await hosts.far.call("estimate", { workspace: WORKSPACE, peer: "near" });
    expect(estimate?.bytes).toBeGreaterThan(1000);
    await page.keyboard.press("Escape");
    expect([...near.complaints, ...far.complaints]).toEqual([]);
  });
});
