import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import type { CustomScheme, Session } from "electron";
import { HomewardError } from "../../common/errors.ts";
import { APP_ORIGIN } from "../../protocol/control.ts";

/** Registered before the app is ready: pages have an origin of their own, and storage and fetch as on the web. */
export const APP_SCHEME: CustomScheme = {
  scheme: "homeward",
  privileges: { standard: true, secure: true, supportFetchAPI: true },
};

export const START_PAGE = `${APP_ORIGIN}/`;

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
};

/**
 * As the service sends it (see service/web/headers.ts), and the control API on this computer, whose port is known only
 * when the service listens.
 */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "font-src 'self'",
  "connect-src http://127.0.0.1:* ws://127.0.0.1:*",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

interface Page {
  readonly type: string;
  readonly data: Buffer;
}

/** Reads all pages into memory: what is served is this list, and no request becomes a path. @throws ENVIRONMENT without pages */
export async function readPages(dir: string): Promise<ReadonlyMap<string, Page>> {
  const pages = new Map<string, Page>();
  const names = await readdir(dir).catch((cause: unknown) => {
    throw new HomewardError("ENVIRONMENT", "the app's pages are not where they should be", { cause, data: { dir } });
  });
  for (const name of names) {
    const type = CONTENT_TYPES[extname(name)];
    if (type !== undefined) pages.set(name === "index.html" ? "/" : `/${name}`, { type, data: await readFile(join(dir, name)) });
  }
  if (!pages.has("/")) throw new HomewardError("ENVIRONMENT", "the app's start page is missing", { data: { dir } });
  return pages;
}

/** Answers for `homeward://app/…`. */
export function servePages(session: Session, pages: ReadonlyMap<string, Page>): void {
  session.protocol.handle(APP_SCHEME.scheme, (request) => {
    const { host, pathname } = new URL(request.url);
    const page = host === "app" && request.method === "GET" ? pages.get(pathname) : undefined;
    if (page === undefined) return new Response("There is no such page.", { status: 404 });
    return new Response(new Uint8Array(page.data), {
      headers: {
        "content-type": page.type,
        "content-security-policy": CONTENT_SECURITY_POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
      },
    });
  });
}
