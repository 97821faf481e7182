import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, makeTiny, removeHosts, sealAtPrompt, stillPicture, TestHost, WORKSPACE } from "./migration-hosts.ts";
import { launchBrowser, openUi, type UiPage } from "./ui-browser.ts";
import { KEYBOARD, MOUSE, watchHands, type Hands } from "./ui-hands.ts";

/** The whole way of somebody who has never seen a terminal: from the first page of two new hosts to the report of a move. */
const LONG = { timeout: 180_000 };

let dir: string;
let browser: Browser;
/** A folder that holds the tiny guest's state at its prompt. */
let exported: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-ui-"));
  exported = join(dir, "exported");
  const maker = new TestHost(dir, "maker", "paired");
  [browser] = await Promise.all([launchBrowser(), maker.start()]);
  await makeTiny(maker);
  await sealAtPrompt(maker, exported);
  await removeHosts(maker.state, maker);
});
afterAll(async () => {
  await browser.close();
  await rm(dir, { recursive: true, force: true });
});

/** Tells the page of `own` which computer the other one is, in two steps. */
async function pair(hands: Hands, { page }: UiPage, other: TestHost): Promise<void> {
  const { id, listen } = await other.call("hosts", {});
  await hands.press(page, "Pair a computer");
  await hands.write(page, "Its ID", id);
  await hands.write(page, "Its name", other.name);
  await hands.write(page, "Its address", String(listen));
  await hands.press(page, "Next: compare");
  await page.getByLabel(`ID of ${other.name}`, { exact: true }).waitFor();
  await hands.press(page, "They are the same: pair");
  await hands.press(page, "Done");
  await page.getByRole("article", { name: other.name }).waitFor();
}

async function screenOf(host: TestHost): Promise<Buffer> {
  const viewer = await host.console();
  const picture = Buffer.from(await stillPicture(viewer));
  viewer.close();
  return picture;
}

async function goTheWholeWay(hands: Hands, near: TestHost, far: TestHost): Promise<string[]> {
  const [here, there] = [await openUi(browser, near), await openUi(browser, far)];
  const { page } = here;
  const seen = [await watchHands(page), await watchHands(there.page)];
  await page.getByRole("heading", { name: "Four steps to your first move" }).waitFor();
  await hands.press(page, "Make a workspace");
  await hands.choose(page, "A folder with a guest of Homeward’s, or with an exported state");
  await hands.write(page, "Folder", exported);
  await hands.write(page, "Name", WORKSPACE);
  await hands.press(page, "Make the workspace");
  await page.getByText(`${WORKSPACE} is there`).waitFor();
  await hands.press(page, "Go to your workspaces");

  await pair(hands, here, far);
  await hands.press(there.page, "Hosts");
  await pair(hands, there, near);

  await hands.press(page, "Workspaces");
  await hands.press(page, `Lay ${WORKSPACE} down on far`);
  await page.getByText("An earlier state is on far").waitFor(LONG);
  await hands.press(page, `Resume: ${WORKSPACE}`);
  await hands.press(page, `Open: ${WORKSPACE}`);
  await page.locator(".console-wait").waitFor({ state: "hidden" });
  const blank = await screenOf(near);
  await hands.enterScreen(page);
  await page.keyboard.type("seq 1 99 | md5sum\n", { delay: 60 });
  await eventually("the machine shows it", async () => !(await screenOf(near)).equals(blank));
  const left = await screenOf(near);
  await hands.leaveScreen(page);

  await hands.press(page, `Migrate to far: ${WORKSPACE}`);
  await page.getByRole("dialog").waitFor();
  await hands.press(page, "Migrate now");
  await page.getByRole("heading", { name: `${WORKSPACE} has arrived on far` }).waitFor(LONG);
  await hands.press(there.page, "Workspaces");
  await hands.press(there.page, `Open: ${WORKSPACE}`);
  await there.page.locator(".console-wait").waitFor({ state: "hidden" });
  expect((await screenOf(far)).equals(left)).toBe(true);

  await hands.press(page, "History");
  await hands.press(page, `${WORKSPACE} to far`);
  await page.getByRole("heading", { name: `${WORKSPACE}: near to far` }).waitFor();
  await page.getByText("Verified: both hosts").waitFor();
  expect([...here.complaints, ...there.complaints]).toEqual([]);
  const used = (await Promise.all(seen.map((hand) => hand()))).flat();
  await Promise.all([page.context().close(), there.page.context().close()]);
  return [...new Set(used)];
}

describe("from the first page to a move's report", () => {
  it.each([
    ["the mouse", MOUSE, "pointerdown"],
    ["the keyboard", KEYBOARD, "keydown"],
  ] as const)("can be gone with %s alone", async (_, hands, only) => {
    const folder = await mkdtemp(join(dir, "way-"));
    const [near, far] = [new TestHost(folder, "near", "paired"), new TestHost(folder, "far", "paired")];
    await Promise.all([near.start(), far.start()]);
    try {
      expect(await goTheWholeWay(hands, near, far)).toEqual([only]);
    } finally {
      await removeHosts(folder, near, far);
    }
  });
});
