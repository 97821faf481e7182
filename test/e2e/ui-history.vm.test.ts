import { readFile } from "node:fs/promises";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatBytes } from "../../common/quantities.ts";
import { migrationReportSchema, type MigrationReport } from "../../protocol/report.ts";
import { failure, stillPicture, TwoHosts, type, WORKSPACE } from "./migration-hosts.ts";
import { launchBrowser, lookAt, openUi, type UiPage } from "./ui-browser.ts";

let hosts: TwoHosts;
let browser: Browser;
let tab: UiPage;
let report: MigrationReport;

beforeAll(async () => {
  [hosts, browser] = await Promise.all([TwoHosts.create(), launchBrowser()]);
  const console = await hosts.near.console();
  await type(console, "seq 1 500\n");
  await stillPicture(console);
  console.close();
  // One that was stopped, and one that arrived.
  const stop = new AbortController();
  const onProgress = (): void => {
    stop.abort();
  };
  const stopped = hosts.near.call("migrate", { workspace: WORKSPACE, peer: "far" }, { signal: stop.signal, onProgress });
  expect((await failure(stopped)).code).toBe("CANCELLED");
  report = await hosts.near.call("migrate", { workspace: WORKSPACE, peer: "far" });
  tab = await openUi(browser, hosts.near, { acceptDownloads: true });
});
afterAll(async () => {
  await browser.close();
  await hosts.end();
});

describe("the history", () => {
  it("lists what arrived and what was stopped", async () => {
    const { page } = tab;
    await page.getByRole("link", { name: "History" }).click();
    const rows = page.getByRole("row");
    await rows.filter({ hasText: "Arrived" }).getByText(formatBytes(report.bytes.total)).waitFor();
    expect(await rows.filter({ hasText: /Cancelled|Failed/ }).count()).toBe(1);
    await lookAt(page, "history");
  });

  it("shows a move's report on a page of its own", async () => {
    const { page } = tab;
    await page.getByRole("row").filter({ hasText: "Arrived" }).getByRole("link").click();
    await page.getByRole("heading", { name: `${WORKSPACE}: near to far` }).waitFor();
    expect(page.url()).toContain(`#/history/${report.id}`);
    const { matched, total } = report.checkpoints;
    await page.getByText(`${matched} of ${total} checkpoints matched`).waitFor();
    await page.getByRole("row", { name: `All ${formatBytes(report.bytes.total)}` }).waitFor();
    await page.getByText("Verified: both hosts").waitFor();
    expect(await page.getByRole("img", { name: /^Time line/ }).count()).toBe(report.replay?.path.length === 0 ? 0 : 1);
    await lookAt(page, "report");
    await page.reload();
    await page.getByRole("heading", { name: "The replay" }).waitFor();
  });

  it("saves it as JSON", async () => {
    const { page } = tab;
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save as JSON" }).click()]);
    expect(download.suggestedFilename()).toBe(`homeward-${report.id}.json`);
    expect(migrationReportSchema.parse(JSON.parse(await readFile(await download.path(), "utf8")))).toEqual(report);
  });

  it("says of a stopped one that nothing was lost", async () => {
    const { page, complaints } = tab;
    await page.getByRole("link", { name: "All moves" }).click();
    await page.getByRole("row").filter({ hasText: /Cancelled|Failed/ }).getByRole("link").click();
    await page.getByText("Nothing was lost").waitFor();
    await lookAt(page, "report-stopped");
    await page.goto(page.url().replace(/#.*/, "#/history/unknown"));
    await page.getByRole("alert").getByText("this host knows of no migration unknown").waitFor();
    expect(complaints).toEqual([]);
  });
});
