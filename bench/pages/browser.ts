import { chromium, type Browser } from "playwright-core";

/** Debian's, see scripts/packages.txt. */
const CHROMIUM = "/usr/bin/chromium";

/** @param args more of Chromium's own options */
export function launchBrowser(...args: readonly string[]): Promise<Browser> {
  // As root Chromium's own sandbox cannot be set up.
  const asRoot = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath: CHROMIUM, args: [...asRoot, ...args] });
}
