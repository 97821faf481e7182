import type { Browser, Page } from "playwright-core";

/** Entries of PerformanceObserver are kept from the first moment on; the page cannot tell. */
const WATCH = `(() => {
  const { promise, resolve } = Promise.withResolvers();
  const seen = { tasks: [], usable: promise };
  window.homewardWatch = seen;
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) seen.tasks.push({ atMs: startTime, ms: duration, page: location.hash });
  }).observe({ type: "longtask", buffered: true });
  const look = new MutationObserver(() => {
    if (document.querySelector("article button.primary:not(:disabled)") === null) return;
    look.disconnect();
    // Painted, and the main thread is free for a click.
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now())));
  });
  look.observe(document, { subtree: true, childList: true, attributes: true });
})()`;

/** A piece of work that held the page up for 50 ms or more, as PerformanceObserver tells of it. */
export interface LongTask {
  /** Since the page was opened. */
  readonly atMs: number;
  readonly ms: number;
  /** The part of the address that says which of the pages it was. */
  readonly page: string;
}

/** A tab of its own, with no cache, which is watched from its first moment on. */
export interface WatchedTab {
  readonly page: Page;
  /** Milliseconds from the navigation until the first workspace's big button could be pressed. */
  readonly usableMs: () => Promise<number>;
  /** Those so far. */
  readonly longTasks: () => Promise<LongTask[]>;
  /** Processor time that the page's main thread has used for tasks so far, in milliseconds. */
  readonly usedMs: () => Promise<number>;
}

export async function openWatchedTab(browser: Browser, url: string): Promise<WatchedTab> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  await page.addInitScript(WATCH);
  const session = await context.newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  await page.goto(url);
  return {
    page,
    usableMs: () => page.evaluate<number>("window.homewardWatch.usable"),
    longTasks: () => page.evaluate<LongTask[]>("window.homewardWatch.tasks"),
    usedMs: async () => {
      const { metrics } = await session.send("Performance.getMetrics");
      return 1000 * (metrics.find(({ name }) => name === "TaskDuration")?.value ?? NaN);
    },
  };
}
