import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { request, type IncomingHttpHeaders } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket, type ClientOptions } from "ws";
import { HomewardError } from "../../common/errors.ts";
import {
  APP_ORIGIN,
  CONSOLE_PATH,
  CONSOLE_PROTOCOL,
  CONTROL_PATH,
  CONTROL_PROTOCOL,
  SESSION_PATH,
  TOKEN_PROTOCOL_PREFIX,
} from "../../protocol/control.ts";
import { ControlConnection } from "../../service/control/connection.ts";
import { bridgeConsole } from "../../service/web/console-bridge.ts";
import { readPageFiles } from "../../service/web/page-files.ts";
import { RateLimit } from "../../service/web/rate-limit.ts";
import { WebDoor } from "../../service/web/web-door.ts";
import { FAILURES, MAX_WEB_SOCKETS } from "../../service/web/web-server.ts";
import { handlers } from "./control-fake-service.ts";

const log = pino({ level: "silent" });

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

class Web {
  readonly dir: string;
  readonly door: WebDoor;
  readonly open: WebSocket[] = [];

  private constructor(dir: string, door: WebDoor) {
    this.dir = dir;
    this.door = door;
  }

  static async start(given?: string): Promise<Web> {
    const dir = given ?? (await mkdtemp(join(tmpdir(), "hw-web-")));
    await writeFile(join(dir, "index.html"), "<p>page");
    await writeFile(join(dir, "index.js"), "1");
    await writeFile(join(dir, "secret.txt"), "secret");
    const door = await WebDoor.take({
      file: join(dir, "pages.json"),
      linkPage: join(dir, "pages-link"),
      log,
      files: () => readPageFiles(dir),
      control: (socket) => {
        const limit = new RateLimit(3, 0);
        new ControlConnection(socket, handlers({ shutdown: () => Promise.resolve({}) }), log, { admit: () => limit.take() });
      },
      consoleSocket: (name) => {
        if (name !== "work") throw new HomewardError("NOT_FOUND", "none");
        return join(dir, "console.sock");
      },
      bridge: (socket, path) => void bridgeConsole(socket, path, log),
    });
    return new Web(dir, door);
  }

  async link(): Promise<{ port: number; code: string }> {
    const { url } = await this.door.open(0);
    const { port, hash } = new URL(url);
    return { port: Number(port), code: hash.slice("#code=".length) };
  }

  async session(): Promise<{ port: number; token: string }> {
    const { port, code } = await this.link();
    const { status, body } = await exchange(port, code);
    expect(status).toBe(200);
    return { port, token: (JSON.parse(body) as { token: string }).token };
  }

  /** Resolves once the socket is open, or with the HTTP status that it was refused with. */
  socket(port: number, path: string, protocols: string[], options: ClientOptions = {}): Promise<WebSocket | number> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { origin: `http://127.0.0.1:${port}`, ...options });
    this.open.push(socket);
    socket.on("error", () => undefined);
    return new Promise((resolve) => {
      socket.on("open", () => {
        resolve(socket);
      });
      socket.on("unexpected-response", (_request, response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
    });
  }

  async stop(): Promise<void> {
    for (const socket of this.open) socket.terminate();
    await this.door.close();
    await rm(this.dir, { recursive: true, force: true });
  }
}

function ask(port: number, path: string, headers: Record<string, string> = {}, method = "GET", body = ""): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      });
    })
      .on("error", reject)
      .end(body);
  });
}

function exchange(port: number, code: string, headers: Record<string, string> = {}): Promise<Answer> {
  const usual = { "content-type": "application/json", origin: `http://127.0.0.1:${port}` };
  return ask(port, SESSION_PATH, { ...usual, ...headers }, "POST", JSON.stringify({ code }));
}

function protocols(token: string, spoken = CONTROL_PROTOCOL): string[] {
  return [spoken, `${TOKEN_PROTOCOL_PREFIX}${token}`];
}

let web: Web | undefined;
let consoleServer: Server | undefined;

async function start(): Promise<Web> {
  web = await Web.start();
  return web;
}

afterEach(async () => {
  await web?.stop();
  consoleServer?.close();
  web = undefined;
});

describe("the door for browsers", () => {
  it("is shut until it is asked for, and its files are the user's alone", async () => {
    const { door, dir } = await start();
    expect(door.port).toBeNull();
    const { url, page } = await door.open(0);
    expect(door.port).not.toBeNull();
    expect((await stat(page)).mode & 0o777).toBe(0o600);
    expect(await readFile(page, "utf8")).toContain(url);
    const { port } = await web?.session() ?? { port: 0 };
    expect(port).toBe(door.port);
    await door.close();
    expect((await stat(join(dir, "pages.json"))).mode & 0o777).toBe(0o600);
    await expect(stat(page)).rejects.toThrow();
    await expect(ask(port, "/")).rejects.toThrow();
  });

  it("is opened again, at the same port, by the next service for who has a session", async () => {
    const first = await start();
    const { port, token } = await first.session();
    await first.door.close();
    web = await Web.start(first.dir);
    expect(web.door.port).toBe(port);
    expect((await ask(port, SESSION_PATH, { authorization: `Bearer ${token}` })).status).toBe(204);
  });

  it("stays shut when nobody has a session, and when that file is damaged", async () => {
    const first = await start();
    await first.door.open(0);
    await first.door.close();
    expect((await Web.start(first.dir)).door.port).toBeNull();
    await writeFile(join(first.dir, "pages.json"), "{");
    expect((await Web.start(first.dir)).door.port).toBeNull();
  });
});

describe("pages", () => {
  it("are a fixed list of files with headers that keep others out", async () => {
    const { port } = await (await start()).link();
    const { status, headers, body } = await ask(port, "/");
    expect([status, body, headers["content-type"]]).toEqual([200, "<p>page", "text/html; charset=utf-8"]);
    expect(headers["content-security-policy"]).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
    expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
    expect(headers).toMatchObject({
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
    });
    expect(headers["access-control-allow-origin"]).toBeUndefined();
    expect((await ask(port, "/index.js")).headers["content-type"]).toBe("text/javascript; charset=utf-8");
    expect((await ask(port, "/", { "if-none-match": headers.etag ?? "" })).status).toBe(304);
    for (const path of ["/secret.txt", "/pages.json", "/../secret.txt", "//index.js", "/index.js?x", "/%2e%2e/secret.txt", "*"])
      expect((await ask(port, path)).status, path).toBe(404);
    expect((await ask(port, "/", {}, "DELETE")).status).toBe(405);
  });

  it("are not given under another name (DNS rebinding)", async () => {
    const { port, code } = await (await start()).link();
    for (const host of ["evil.example", `evil.example:${port}`, "127.0.0.1", `127.0.0.1:${port + 1}`])
      for (const path of ["/", SESSION_PATH]) expect((await ask(port, path, { host })).status, host).toBe(421);
    expect((await exchange(port, code, { host: `evil.example:${port}`, origin: `http://evil.example:${port}` })).status).toBe(421);
    expect((await exchange(port, code)).status).toBe(200);
  });
});

describe("a one-time link", () => {
  it("gives one session and is spent", async () => {
    const { port, code } = await (await start()).link();
    expect((await exchange(port, code)).status).toBe(200);
    expect((await exchange(port, code)).status).toBe(401);
  });

  it("is only taken from our own page", async () => {
    const { port, code } = await (await start()).link();
    for (const origin of ["http://evil.example", `http://127.0.0.1:${port + 1}`, "null", `http://localhost:${port}`])
      expect((await exchange(port, code, { origin })).status, origin).toBe(403);
    expect((await exchange(port, code, { "content-type": "text/plain" })).status).toBe(403);
    expect((await ask(port, SESSION_PATH, { "content-type": "application/json" }, "POST", "{}")).status).toBe(403);
    expect((await exchange(port, "a".repeat(5000))).status).toBe(401);
    expect((await exchange(port, code)).status).toBe(200);
  });

  it("cannot be guessed at will, and guessing keeps nobody out", async () => {
    const { port, code } = await (await start()).link();
    const statuses = [];
    for (let i = 0; i < FAILURES.burst + 5; i++) statuses.push((await exchange(port, "a".repeat(43))).status);
    expect(statuses[0]).toBe(401);
    expect(statuses.at(-1)).toBe(429);
    expect((await exchange(port, code)).status).toBe(200);
  });
});

describe("a page's WebSocket", () => {
  it("takes a session's token and our own origin", async () => {
    const server = await start();
    const { port, token } = await server.session();
    const status = (offered: string[], options: ClientOptions = {}): Promise<WebSocket | number> =>
      server.socket(port, CONTROL_PATH, offered, options);
    expect(await status([CONTROL_PROTOCOL])).toBe(401);
    expect(await status(protocols("a".repeat(43)))).toBe(401);
    for (const origin of ["http://evil.example", `http://127.0.0.1:${port + 1}`, `http://localhost:${port}`, "null"])
      expect(await status(protocols(token), { origin }), origin).toBe(403);
    const rebound = { host: `evil.example:${port}`, origin: `http://evil.example:${port}` };
    expect(await status(protocols(token), { headers: rebound })).toBe(421);
    expect(await server.socket(port, "/", protocols(token))).toBe(404);
    expect(await server.socket(port, CONTROL_PATH, protocols(token, "other"))).toBe(404);
    expect(await status(protocols(token))).toBeInstanceOf(WebSocket);
    expect(await status(protocols(token), { origin: APP_ORIGIN })).toBeInstanceOf(WebSocket);
  });

  it("may not call as often as it likes", async () => {
    const server = await start();
    const { port, token } = await server.session();
    const socket = (await server.socket(port, CONTROL_PATH, protocols(token))) as WebSocket;
    const answers: unknown[] = [];
    const all = new Promise<void>((resolve) => {
      socket.on("message", (data: Buffer) => {
        answers.push(JSON.parse(data.toString()));
        if (answers.length === 4) resolve();
      });
    });
    for (let id = 0; id < 4; id++) socket.send(JSON.stringify({ id, method: "shutdown", params: {} }));
    await all;
    expect(answers).toContainEqual({ id: 0, result: {} });
    expect(answers).toContainEqual(expect.objectContaining({ id: 3, error: expect.objectContaining({ code: "USAGE" }) as unknown }));
  });

  it("is one of a limited number", async () => {
    const server = await start();
    const { port, token } = await server.session();
    const sockets = await Promise.all(
      Array.from({ length: MAX_WEB_SOCKETS }, () => server.socket(port, CONTROL_PATH, protocols(token))),
    );
    expect(sockets.every((socket) => typeof socket !== "number")).toBe(true);
    expect(await server.socket(port, CONTROL_PATH, protocols(token))).toBe(503);
  });
});

describe("a console over a WebSocket", () => {
  async function serveConsole(dir: string, onViewer: (socket: Socket) => void): Promise<void> {
    const listening = createServer(onViewer);
    consoleServer = listening;
    await new Promise<void>((resolve) => listening.listen(join(dir, "console.sock"), resolve));
  }

  it("takes the same token as everything else, and a workspace that there is", async () => {
    const server = await start();
    const { port, token } = await server.session();
    expect(await server.socket(port, `${CONSOLE_PATH}work`, [CONSOLE_PROTOCOL])).toBe(401);
    expect(await server.socket(port, `${CONSOLE_PATH}..%2fwork`, protocols(token, CONSOLE_PROTOCOL))).toBe(404);
    expect(await server.socket(port, `${CONSOLE_PATH}other`, protocols(token, CONSOLE_PROTOCOL))).toBe(409);
  });

  it("carries bytes both ways and ends with either side", async () => {
    const server = await start();
    await serveConsole(server.dir, (socket) => {
      socket.write("RFB 003.008\n");
      socket.on("data", (data) => {
        if (data.toString() === "end") socket.end();
        else socket.write(data);
      });
    });
    const { port, token } = await server.session();
    const socket = (await server.socket(port, `${CONSOLE_PATH}work`, protocols(token, CONSOLE_PROTOCOL))) as WebSocket;
    let seen = "";
    const echoed = new Promise<void>((resolve) => {
      socket.on("message", (data: Buffer) => {
        seen += data.toString("latin1");
        if (seen.endsWith("hello")) resolve();
      });
    });
    socket.send(Buffer.from("hello"));
    await echoed;
    expect(seen).toBe("RFB 003.008\nhello");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.send(Buffer.from("end"));
    await closed;
  });

  it("stops reading from the machine while the page does not read", async () => {
    const server = await start();
    let sent = 0;
    const viewer = new Promise<Socket>((resolve) => {
      void serveConsole(server.dir, resolve);
    });
    const { port, token } = await server.session();
    const socket = (await server.socket(port, `${CONSOLE_PATH}work`, protocols(token, CONSOLE_PROTOCOL))) as WebSocket;
    socket.pause();
    const source = await viewer;
    const chunk = Buffer.alloc(1024 * 1024);
    // What is under way in between is bounded by buffers of the system and of the relay, far below this.
    while (sent < 256 && source.writableLength < 64 * chunk.length) {
      if (!source.write(chunk)) await new Promise((resolve) => setTimeout(resolve, 20));
      sent++;
    }
    expect(sent).toBeLessThan(256);
    socket.resume();
    let received = 0;
    const whole = new Promise<void>((resolve) => {
      socket.on("message", (data: Buffer) => {
        received += data.length;
        if (received === sent * chunk.length) resolve();
      });
    });
    await whole;
    expect(received).toBe(sent * chunk.length);
  });
});
