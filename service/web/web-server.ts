import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { Logger } from "pino";
import { WebSocketServer, type WebSocket } from "ws";
import { HomewardError } from "../../common/errors.ts";
import {
  CONSOLE_PATH,
  CONSOLE_PROTOCOL,
  CONTROL_PATH,
  CONTROL_PROTOCOL,
  exchangeSchema,
  MAX_CONTROL_MESSAGE_BYTES,
  nameSchema,
  SESSION_PATH,
} from "../../protocol/control.ts";
import { SECURITY_HEADERS } from "./headers.ts";
import type { PageFiles } from "./page-files.ts";
import { RateLimit } from "./rate-limit.ts";
import { bearerToken, isOwnHost, isOwnOrigin, webSocketProtocols } from "./request-check.ts";
import type { Sessions } from "./sessions.ts";

/** TCP connections at a time, and WebSockets among them; docs/protocol.md names these figures. */
export const MAX_CONNECTIONS = 128;
export const MAX_WEB_SOCKETS = 32;
/** Wrong codes and tokens that are looked at: so many at once, so many a second in the long run. Right ones always pass. */
export const FAILURES = { burst: 20, perSecond: 0.5 } as const;
const HEADERS_TIMEOUT_MS = 5_000;
const MAX_HEADER_BYTES = 8 * 1024;
const MAX_BODY_BYTES = 1024;

export interface WebServerParts {
  readonly files: PageFiles;
  readonly sessions: Sessions;
  /** A session was begun or used. */
  readonly onSession: () => void;
  /** A page that may talk to the control API. */
  readonly control: (socket: WebSocket) => void;
  /** A page that may see the console of that workspace. @throws NOT_FOUND, CONFLICT */
  readonly consoleSocket: (workspace: string) => string;
  readonly bridge: (socket: WebSocket, consoleSocket: string) => void;
  readonly log: Logger;
}

/** Serves the pages on 127.0.0.1, and what they need; everything but the pages' own files takes a session's token. */
export class WebServer {
  readonly #parts: WebServerParts;
  readonly #http: Server;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_CONTROL_MESSAGE_BYTES,
    perMessageDeflate: false,
    handleProtocols: (offered) => [CONTROL_PROTOCOL, CONSOLE_PROTOCOL].find((known) => offered.has(known)) ?? false,
  });
  #port = 0;
  readonly #failures = new RateLimit(FAILURES.burst, FAILURES.perSecond);

  private constructor(parts: WebServerParts) {
    this.#parts = parts;
    this.#http = createServer(
      { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: HEADERS_TIMEOUT_MS, maxHeaderSize: MAX_HEADER_BYTES },
      (request, response) => {
        void this.#answer(request, response);
      },
    );
    this.#http.maxConnections = MAX_CONNECTIONS;
    this.#http.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => {
      this.#upgrade(request, stream, head);
    });
  }

  /** @param port 0 for any. @throws CONFLICT if it is taken */
  static async listen(port: number, parts: WebServerParts): Promise<WebServer> {
    const server = new WebServer(parts);
    await new Promise<void>((resolve, reject) => {
      server.#http.once("error", (cause) => {
        reject(new HomewardError("CONFLICT", `cannot listen on 127.0.0.1:${port}`, { cause, hint: "Choose another port." }));
      });
      server.#http.listen(port, "127.0.0.1", resolve);
    });
    server.#port = (server.#http.address() as AddressInfo).port;
    return server;
  }

  get port(): number {
    return this.#port;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
    const plain = (status: number, text: string): void => {
      response.writeHead(status, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" }).end(`${text}\n`);
    };
    if (!isOwnHost(request.headers, this.port)) plain(421, "this is not what this server is called");
    else if (request.url === SESSION_PATH) await this.#session(request, response, plain);
    else if (request.method !== "GET" && request.method !== "HEAD") plain(405, "only GET");
    else this.#file(request, response, plain);
  }

  #file({ url = "", headers }: IncomingMessage, response: ServerResponse, plain: (status: number, text: string) => void): void {
    const file = this.#parts.files.get(url);
    if (file === undefined) {
      plain(404, "no such page");
      return;
    }
    response.setHeader("etag", file.etag).setHeader("cache-control", "no-cache");
    if (headers["if-none-match"] === file.etag) response.writeHead(304).end();
    else response.writeHead(200, { "content-type": file.type, "content-length": file.data.length }).end(file.data);
  }

  /** Codes for tokens, and whether a token is valid. */
  async #session(
    request: IncomingMessage,
    response: ServerResponse,
    plain: (status: number, text: string) => void,
  ): Promise<void> {
    const { method, headers } = request;
    if (method === "GET") {
      const token = bearerToken(headers);
      if (token !== null && this.#parts.sessions.use(token)) response.writeHead(204, { "cache-control": "no-store" }).end();
      else plain(this.#failed(), "no such session");
      return;
    }
    if (method !== "POST" || !isOwnOrigin(headers) || headers["content-type"] !== "application/json") {
      plain(403, "not from a page of this server");
      return;
    }
    const body = await readBody(request).catch(() => null);
    const code = exchangeSchema.safeParse(parseJson(body));
    const token = code.success ? this.#parts.sessions.exchange(code.data.code) : null;
    if (token === null) {
      plain(this.#failed(), "this link is not valid any more");
      return;
    }
    this.#parts.onSession();
    response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" }).end(JSON.stringify({ token }));
  }

  /** Status for a wrong secret. */
  #failed(): 401 | 429 {
    if (!this.#failures.take()) return 429;
    this.#parts.log.warn("a wrong code or token on the web port");
    return 401;
  }

  #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    stream.on("error", () => undefined);
    const target = this.#admit(request);
    if (typeof target === "string") {
      stream.end(`HTTP/1.1 ${target}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    this.#sockets.handleUpgrade(request, stream, head, target);
  }

  /** What to do with a WebSocket, or the HTTP status that it is turned away with. */
  #admit({ headers, url = "" }: IncomingMessage): string | ((socket: WebSocket) => void) {
    const { sessions, onSession, control, consoleSocket, bridge } = this.#parts;
    if (!isOwnHost(headers, this.port)) return "421 Misdirected Request";
    if (!isOwnOrigin(headers)) return "403 Forbidden";
    const { token, offered } = webSocketProtocols(headers);
    if (token === null || !sessions.use(token)) return this.#failed() === 429 ? "429 Too Many Requests" : "401 Unauthorized";
    if (this.#sockets.clients.size >= MAX_WEB_SOCKETS) return "503 Service Unavailable";
    onSession();
    if (url === CONTROL_PATH && offered.includes(CONTROL_PROTOCOL)) return control;
    const name = nameSchema.safeParse(url.startsWith(CONSOLE_PATH) ? url.slice(CONSOLE_PATH.length) : "");
    if (!name.success || !offered.includes(CONSOLE_PROTOCOL)) return "404 Not Found";
    try {
      const path = consoleSocket(name.data);
      return (socket) => {
        bridge(socket, path);
      };
    } catch {
      return "409 Conflict";
    }
  }

  /** Stops listening and drops every page. */
  close(): Promise<void> {
    for (const client of this.#sockets.clients) client.close(1001, "the service stops");
    const done = new Promise<void>((resolve) => {
      this.#http.close(() => {
        resolve();
      });
    });
    this.#http.closeIdleConnections();
    setTimeout(() => {
      for (const client of this.#sockets.clients) client.terminate();
      this.#http.closeAllConnections();
    }, 500).unref();
    return done;
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new HomewardError("USAGE", "the body is too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parseJson(text: string | null): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return null;
  }
}
