import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { expect } from "vitest";
import type { TestHost } from "./migration-hosts.ts";

export { launchBrowser } from "../../bench/pages/browser.ts";

/** Pictures of pages, to be looked at. */
const SCREENSHOTS = join(import.meta.dirname, "..", "..", "out", "screenshots");
export const UI_TIMEOUT_MS = 60_000;

/** A tab with Homeward's pages, and what went wrong in it. */
export interface UiPage {
  readonly page: Page;
  /** Uncaught errors, and what the Content-Security-Policy or else the console complained of. */
  readonly complaints: string[];
}

/** A tab of its own that shows `url`. */
export async function openTab(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<UiPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(UI_TIMEOUT_MS);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // That a server cannot be reached or refuses is for the tests to expect.
    if (message.type() === "error" && !/Failed to load resource|WebSocket connection/.test(message.text())) complaints.push(message.text());
  });
  await page.goto(url);
  return { page, complaints };
}

/** A tab with the pages of that host. */
export async function openUi(browser: Browser, host: TestHost, options: BrowserContextOptions = {}): Promise<UiPage> {
  const { url } = await host.call("ui", {});
  const tab = await openTab(browser, url, options);
  await tab.page.getByText("Service is running").waitFor();
  return tab;
}

interface AxeResult {
  readonly violations: readonly { readonly id: string; readonly impact: string | null; readonly nodes: readonly { readonly html: string }[] }[];
}

/** Fails if axe-core finds anything serious or critical on the page as it is. @param rules only these */
export async function expectAccessible(page: Page, rules?: readonly string[]): Promise<void> {
  const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  await page.evaluate(axe);
  const { violations } = await page.evaluate<AxeResult>(`axe.run(document, ${JSON.stringify({ resultTypes: ["violations"], ...(rules === undefined ? {} : { runOnly: rules }) })})`);
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  expect(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(" ")}`)).toEqual([]);
}

/** A window so small that no page may be wider than it. */
const NARROW = { width: 800, height: 600 };

/** Checks the page in light, in dark and in a small window, and leaves a picture of each in out/screenshots. */
export async function lookAt(page: Page, name: string): Promise<void> {
  await mkdir(SCREENSHOTS, { recursive: true });
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    // Only the colours are others in the dark.
    await expectAccessible(page, ...(colorScheme === "dark" ? [["color-contrast"]] : []));
    await page.screenshot({ path: join(SCREENSHOTS, `${name}-${colorScheme}.png`) });
  }
  const size = page.viewportSize();
  await page.setViewportSize(NARROW);
  await page.screenshot({ path: join(SCREENSHOTS, `${name}-narrow.png`) });
  const width = await page.evaluate<number>("document.documentElement.scrollWidth");
  if (size !== null) await page.setViewportSize(size);
  expect(width, `${name}: width in a window of ${NARROW.width}`).toBeLessThanOrEqual(NARROW.width);
}
