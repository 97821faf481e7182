import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { run } from "../../common/spawn.ts";
import type { Bench, BenchContext } from "../bench.ts";
import type { Line } from "../line.ts";
import type { ServiceProcess } from "../service-process.ts";
import { launchBrowser } from "./browser.ts";
import { traceTasks } from "./task-trace.ts";
import { startTwoHosts, typeLine, WORKSPACE } from "./two-hosts.ts";
import { openWatchedTab } from "./watched-tab.ts";

const BUILDER = join(import.meta.dirname, "..", "..", "scripts", "build-renderer.ts");
const ROUNDS = 7;
/** What a person begins to notice: the limit of PerformanceObserver's long tasks. */
const LONG_TASK_MS = 50;
const ARRIVES_MS = 180_000;
/** A core that is this much slower, or shared, still opens the page in a second. */
const FIRST_PAGE_MS = 1000;

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

async function linkOf(service: ServiceProcess): Promise<string> {
  return (await service.call("ui", {})).url;
}

/** From the link until the first workspace's button can be pressed, in a browser that has never seen the pages. */
async function firstPage(browser: Browser, near: ServiceProcess): Promise<Line[]> {
  const [clock, used, icon]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round <= ROUNDS; round++) {
    const { page, usableMs, usedMs } = await openWatchedTab(browser, await linkOf(near));
    const [clockMs, processorMs] = [await usableMs(), await usedMs()];
    // A page of the same service with nothing to do, for what browser and connection take by themselves.
    await page.goto(new URL("/icon.svg", page.url()).href);
    const emptyMs = await page.evaluate<number>("performance.getEntriesByType('navigation')[0].loadEventEnd");
    await page.context().close();
    // The first round warms up.
    if (round === 0) continue;
    clock.push(clockMs);
    used.push(processorMs);
    icon.push(emptyMs);
  }
  return [
    { what: "first page, from the link until it can be used, median", value: median(clock), unit: "ms", limit: { atMost: FIRST_PAGE_MS } },
    { what: "  a picture from the same service", value: median(icon), unit: "ms" },
    { what: "  processor time of its main thread", value: median(used), unit: "ms" },
  ];
}

/** What the person looks at while it moves: every page once, and then the move's own. */
async function lookAround(page: Page): Promise<void> {
  for (const [link, heading] of [["Hosts", "Hosts"], ["History", "History"], ["Workspaces", "Workspaces"]] as const) {
    await page.getByRole("link", { name: link, exact: true }).click();
    await page.getByRole("heading", { name: heading, level: 1 }).waitFor();
  }
  await page.getByRole("link", { name: "Details" }).click();
}

/** A real move between two hosts with the pages of both open, all of them watched. */
async function moving(browser: Browser, { signal, say }: BenchContext, near: ServiceProcess, far: ServiceProcess): Promise<Line[]> {
  const endTrace = await traceTasks(browser, (url) => url.startsWith("http://127.0.0.1:"));
  const tabs = [await openWatchedTab(browser, await linkOf(near)), await openWatchedTab(browser, await linkOf(far))] as const;
  const [{ page: leaving, usableMs }, { page: arriving }] = tabs;
  await usableMs();
  await leaving.getByRole("link", { name: `Open: ${WORKSPACE}` }).click();
  await leaving.locator(".console-wait").waitFor({ state: "hidden" });
  await typeLine(near, "seq 1 3000; seq 1 200000 | md5sum", signal);
  await leaving.getByRole("link", { name: "Workspaces", exact: true }).click();
  say("  moving it with the pages open");
  const startMs = performance.now();
  await leaving.getByRole("button", { name: `Migrate to far: ${WORKSPACE}` }).click();
  await leaving.getByRole("button", { name: "Migrate now" }).click();
  await arriving.getByRole("link", { name: "Details" }).click();
  await lookAround(leaving);
  await leaving.getByRole("heading", { name: `${WORKSPACE} has arrived on far` }).waitFor({ timeout: ARRIVES_MS });
  await arriving.getByRole("link", { name: "Open the console" }).click();
  await arriving.locator(".console-wait").waitFor({ state: "hidden" });
  const tookS = Math.round((performance.now() - startMs) / 1000);
  const byClock = (await Promise.all(tabs.map(({ longTasks }) => longTasks()))).flat();
  for (const { ms, page, atMs } of byClock) say(`  held up for ${ms} ms on ${page}, ${Math.round(atMs)} ms after it was opened`);
  const tasks = await endTrace();
  const long = tasks.filter((ms) => ms > LONG_TASK_MS).length;
  return [
    { what: `tasks of over 50 ms of processor time, first page, console and move on two hosts, ${tookS} s`, value: long, unit: "", limit: { atMost: 0 } },
    { what: `  the longest of ${tasks.length}`, value: tasks[0] ?? NaN, unit: "ms" },
    { what: "  tasks of over 50 ms by the clock, as PerformanceObserver counts them", value: byClock.length, unit: "" },
  ];
}

/** The pages in a real browser, on two real services. */
export const pages: Bench = {
  name: "pages",
  about: "first page, and long tasks in Chromium while the tiny guest is moved with the pages of both hosts open",
  async run(context) {
    const { cleanUp, signal } = context;
    await run(process.execPath, [BUILDER], { signal });
    const { near, far } = await startTwoHosts(context);
    const browser = await launchBrowser();
    cleanUp(() => browser.close());
    return [...(await firstPage(browser, near)), ...(await moving(browser, context, near, far))];
  },
};
