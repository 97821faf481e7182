import { readFile } from "node:fs/promises";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatBytes } from "../../common/quantities.ts";
import { migrationReportSchema, type MigrationReport } from "../../protocol/report.ts";
import { eventually, TwoHosts, WORKSPACE, run, sees } from "./migration-hosts.ts";
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
  left = await run(viewer, "seq 1 200 | md5sum; echo on the way\n");
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

/** Holds the input log back until the other host's page shows the move: from then on it sees all of the replay. */
function holdLog(isSeen: Promise<unknown>): void {
  hosts.relay.trap = { from: "caller", frame: "logEnd", then: () => isSeen.then(() => "pass") };
}

/** Every step of a move that the page shows as the present one from now on, in their order; nothing that is shown is missed. */
async function recordSteps(page: Page): Promise<() => Promise<string[]>> {
  await page.evaluate(`(() => {
    window.stepsSeen = [];
    const look = () => {
      const step = document.querySelector(".stages [aria-current=step]")?.textContent;
      if (step !== undefined && step !== window.stepsSeen.at(-1)) window.stepsSeen.push(step);
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
    look();
  })()`);
  return () => page.evaluate<string[]>("window.stepsSeen");
}

async function beginMove(): Promise<void> {
  await near.page.getByRole("button", { name: `Migrate to far: ${WORKSPACE}` }).click();
  // What the tiny guest does is always sooner sent than repeated.
  await near.page.getByLabel("What counts").selectOption("replay");
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
    const seen = Promise.withResolvers<undefined>();
    await far.page.getByText("Runs elsewhere").waitFor();
    const steps = await recordSteps(far.page);
    holdLog(seen.promise);
    await beginMove();
    await far.page.getByRole("link", { name: "Details" }).click();
    await far.page.getByRole("heading", { name: `${WORKSPACE} is arriving from near` }).waitFor();
    // In the place of the other trap, which was sprung by now, or is not needed any more: the page is there.
    const held = holdAnswer();
    seen.resolve(undefined);
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
    const shown = await steps();
    expect(shown).toContain("Repeating what you did");
    expect(shown.indexOf("Repeating what you did")).toBeLessThan(shown.indexOf("Sending the rest"));
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
    await sees(viewer, left);
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
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await page.getByRole("link", { name: "Workspaces", exact: true }).click();
    await page.getByRole("article", { name: WORKSPACE }).getByText(/^Ready at near in about/).waitFor();
    await lookAt(page, "workspaces");
    expect(far.complaints).toEqual([]);
  });
});

describe("the history of it", () => {
  let report: MigrationReport;
  beforeAll(async () => {
    const found = (await hosts.near.call("report", {})).report;
    if (found === null) throw new Error("nothing was reported");
    report = found;
  });

  it("lists what arrived and what was stopped", async () => {
    const { page } = near;
    await page.getByRole("link", { name: "History" }).click();
    const rows = page.getByRole("row");
    await rows.filter({ hasText: "Arrived" }).getByText(formatBytes(report.bytes.total)).waitFor();
    expect(await rows.filter({ hasText: /Cancelled|Failed/ }).count()).toBe(1);
    await lookAt(page, "history");
  });

  it("shows a move's report on a page of its own", async () => {
    const { page } = near;
    await page.getByRole("row").filter({ hasText: "Arrived" }).getByRole("link").click();
    await page.getByRole("heading", { name: `${WORKSPACE}: near to far` }).waitFor();
    expect(page.url()).toContain(`#/history/${report.id}`);
    const { matched, total } = report.checkpoints;
    await page.getByText(`${matched} of ${total} checkpoints matched`).waitFor();
    await page.getByRole("row", { name: `All ${formatBytes(report.bytes.total)}` }).waitFor();
    await page.getByText("Verified: both hosts").waitFor();
    expect(await page.getByRole("img", { name: /^Time line/ }).count()).toBe(report.replay?.path.length === 0 ? 0 : 1);
    await page.getByRole("button", { name: "Look it up" }).click();
    await page.getByRole("row", { name: /^kernel objects, \d+ blocks/ }).waitFor();
    await lookAt(page, "report");
    await page.reload();
    await page.getByRole("heading", { name: "The replay" }).waitFor();
  });

  it("saves it as JSON", async () => {
    const { page } = near;
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save as JSON" }).click()]);
    expect(download.suggestedFilename()).toBe(`homeward-${report.id}.json`);
    expect(migrationReportSchema.parse(JSON.parse(await readFile(await download.path(), "utf8")))).toEqual(report);
  });

  it("says of a stopped one that nothing was lost", async () => {
    const { page, complaints } = near;
    await page.getByRole("link", { name: "All moves" }).click();
    await page.getByRole("row").filter({ hasText: /Cancelled|Failed/ }).getByRole("link").click();
    await page.getByText("Nothing was lost").waitFor();
    await lookAt(page, "report-stopped");
    await page.goto(page.url().replace(/#.*/, "#/history/unknown"));
    await page.getByRole("alert").getByText("this host knows of no migration unknown").waitFor();
    expect(complaints).toEqual([]);
  });
});
