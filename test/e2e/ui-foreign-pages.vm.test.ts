import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CODE_FRAGMENT, CONSOLE_PATH, CONTROL_PATH, CONTROL_PROTOCOL, SESSION_PATH, TOKEN_PROTOCOL_PREFIX } from "../../protocol/control.ts";
import { removeRunFolders, TestHost } from "./migration-hosts.ts";
import { launchBrowser, openTab, openUi, type UiPage } from "./ui-browser.ts";

let dir: string;
let host: TestHost;
let browser: Browser;
let foreign: Server;
let own: UiPage;
let port: number;
let token: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-ui-"));
  host = new TestHost(dir, "near", "paired");
  foreign = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<title>foreign</title>");
  });
  await new Promise<void>((resolve) => foreign.listen(0, "127.0.0.1", resolve));
  [browser] = await Promise.all([launchBrowser("--host-resolver-rules=MAP evil.example 127.0.0.1"), host.start()]);
  own = await openUi(browser, host);
  port = Number(new URL(own.page.url()).port);
  token = await own.page.evaluate<string>("sessionStorage.getItem('homeward.token')");
});
afterAll(async () => {
  await browser.close();
  foreign.close();
  await host.end();
  await removeRunFolders(host.state);
  await rm(dir, { recursive: true, force: true });
});

/** "open" or "refused": what becomes of a WebSocket of a page that even has a valid token. */
function webSocket(page: Page, url: string, protocol = CONTROL_PROTOCOL): Promise<string> {
  const protocols = JSON.stringify([protocol, `${TOKEN_PROTOCOL_PREFIX}${token}`]);
  return page.evaluate<string>(`new Promise((resolve) => {
    const socket = new WebSocket(${JSON.stringify(url)}, ${protocols});
    socket.onopen = () => resolve("open");
    socket.onerror = () => resolve("refused");
  })`);
}

/** What a page can read of an answer: "STATUS TEXT", or "unreadable". */
function read(page: Page, url: string, init: Readonly<Record<string, unknown>> = {}): Promise<string> {
  return page.evaluate<string>(`fetch(${JSON.stringify(url)}, ${JSON.stringify(init)})
    .then(async (response) => response.type === "opaque" ? "unreadable" : response.status + " " + (await response.text()))
    .catch(() => "unreadable")`);
}

function post(code: string, mode: string): Readonly<Record<string, unknown>> {
  // A page that does not ask beforehand (no-cors) can send text only.
  const type = mode === "no-cors" ? "text/plain" : "application/json";
  return { method: "POST", mode, headers: { "content-type": type }, body: JSON.stringify({ code }) };
}

async function newCode(): Promise<string> {
  const { url } = await host.call("ui", {});
  return new URL(url).hash.slice(CODE_FRAGMENT.length);
}

describe("our own page", () => {
  it("reaches the service, so that what others are refused is refused for where they come from", async () => {
    expect(await webSocket(own.page, `ws://127.0.0.1:${port}${CONTROL_PATH}`)).toBe("open");
    expect(await read(own.page, "/")).toContain("200 ");
    expect(await read(own.page, SESSION_PATH, { headers: { authorization: `Bearer ${token}` } })).toBe("204 ");
    expect(await read(own.page, SESSION_PATH, post(await newCode(), "cors"))).toContain("200 ");
    expect(own.complaints).toEqual([]);
  });

  it("cannot let others in", async () => {
    const answer = await own.page.evaluate<string>(`new Promise((resolve) => {
      const socket = new WebSocket("ws://127.0.0.1:${port}${CONTROL_PATH}", ["${CONTROL_PROTOCOL}", "${TOKEN_PROTOCOL_PREFIX}${token}"]);
      socket.onopen = () => socket.send('{"id":1,"method":"ui","params":{}}');
      socket.onmessage = ({ data }) => resolve(data);
    })`);
    expect(JSON.parse(answer)).toMatchObject({ id: 1, error: { code: "CONFLICT" } });
  });

  it("may not be put into a frame", async () => {
    const { port: other } = foreign.address() as AddressInfo;
    const { page } = await openTab(browser, `http://127.0.0.1:${other}/`);
    await page.evaluate(`new Promise((resolve) => {
      const frame = document.createElement("iframe");
      frame.onload = resolve;
      frame.src = "http://127.0.0.1:${port}/";
      document.body.append(frame);
    })`);
    const frame = page.frames().find((each) => each !== page.mainFrame());
    expect(await frame?.locator("#app").count()).toBe(0);
  });
});

describe.each(["127.0.0.1", "localhost", "evil.example"])("a page that another server of this computer serves as %s", (name) => {
  let page: Page;
  beforeAll(async () => {
    ({ page } = await openTab(browser, `http://${name}:${(foreign.address() as AddressInfo).port}/`));
  });

  it("gets no WebSocket, be it with a token", async () => {
    for (const target of ["127.0.0.1", "localhost", "evil.example"]) {
      expect(await webSocket(page, `ws://${target}:${port}${CONTROL_PATH}`), target).toBe("refused");
      expect(await webSocket(page, `ws://${target}:${port}${CONSOLE_PATH}work`, "binary"), target).toBe("refused");
    }
  });

  it("can read nothing, and does not spend a link", async () => {
    const code = await newCode();
    for (const target of ["127.0.0.1", "localhost", "evil.example"]) {
      const base = `http://${target}:${port}`;
      for (const mode of ["cors", "no-cors"]) {
        expect(await read(page, `${base}/`, { mode }), target).toBe("unreadable");
        expect(await read(page, `${base}${SESSION_PATH}`, post(code, mode)), target).toBe("unreadable");
      }
      expect(await read(page, `${base}${SESSION_PATH}`, { headers: { authorization: `Bearer ${token}` } })).toBe("unreadable");
    }
    expect(await read(own.page, SESSION_PATH, post(code, "cors"))).toContain("200 ");
  });
});

describe("a page whose host name was bound to this address", () => {
  it("is of the same origin as what it asks, and yet gets nothing", async () => {
    // The browser takes what the service answers there for the attacker's own page; its policy would protect only itself.
    const { page } = await openTab(browser, `http://evil.example:${port}/`, { bypassCSP: true });
    const code = await newCode();
    const refused = "421 this is not what this server is called\n";
    expect(await read(page, "/")).toBe(refused);
    expect(await read(page, SESSION_PATH, { headers: { authorization: `Bearer ${token}` } })).toBe(refused);
    expect(await read(page, SESSION_PATH, post(code, "cors"))).toBe(refused);
    expect(await webSocket(page, `ws://evil.example:${port}${CONTROL_PATH}`)).toBe("refused");
    expect(await read(own.page, SESSION_PATH, post(code, "cors"))).toContain("200 ");
  });
});
