import { readFile, rm } from "node:fs/promises";
import type { Logger } from "pino";
import { z } from "zod";
import { toHomewardError } from "../../common/errors.ts";
import { CODE_FRAGMENT, type UiLink } from "../../protocol/control.ts";
import { writeFileDurably } from "../store/durable.ts";
import { readPageFiles, type PageFiles } from "./page-files.ts";
import { Sessions, storedSessionSchema } from "./sessions.ts";
import { WebServer, type WebServerParts } from "./web-server.ts";

/** What the next service needs to take up the pages that are open, at the same address. No token can be had from it. */
const storedSchema = z.strictObject({ port: z.int().min(1).max(65_535), sessions: z.array(storedSessionSchema).max(1000) });
type Stored = z.output<typeof storedSchema>;

/** The file is written this long after the last use of a session at the latest. */
const WRITE_AFTER_MS = 1000;

export interface WebDoorOptions extends Pick<WebServerParts, "control" | "consoleSocket" | "bridge"> {
  /** Port and sessions of the pages. */
  readonly file: string;
  /** Leads a browser to the pages. */
  readonly linkPage: string;
  readonly log: Logger;
  /** The pages, if not those of Homeward. */
  readonly files?: () => Promise<PageFiles>;
}

/**
 * The way in for browsers. It is shut until `open` is called over the control socket, so a host whose user never asks for
 * the pages has no open port; and once there is no session any more it is not opened by the next service.
 */
export class WebDoor {
  readonly #options: WebDoorOptions;
  readonly #sessions: Sessions;
  #server: WebServer | null = null;
  #opening: Promise<WebServer> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();

  private constructor(options: WebDoorOptions, sessions: Sessions) {
    this.#options = options;
    this.#sessions = sessions;
  }

  /** Opens it if pages of the service before may still be there. */
  static async take(options: WebDoorOptions): Promise<WebDoor> {
    const { log, file, linkPage } = options;
    await rm(linkPage, { force: true });
    const stored = await readStored(file).catch((error: unknown) => {
      log.warn({ err: error }, "who used the pages cannot be read: they have to be opened anew");
      return null;
    });
    const sessions = new Sessions(stored?.sessions);
    const door = new WebDoor(options, sessions);
    if (stored !== null && sessions.stored().length > 0)
      await door.#listen(stored.port).catch((error: unknown) => {
        log.warn({ err: error, port: stored.port }, "pages that are open cannot be served any more");
      });
    else await rm(file, { force: true });
    return door;
  }

  /** Where it listens, null while it is shut. */
  get port(): number | null {
    return this.#server?.port ?? null;
  }

  #listen(port: number): Promise<WebServer> {
    this.#opening ??= (async () => {
      const { log, control, consoleSocket, bridge, files = readPageFiles } = this.#options;
      const onSession = (): void => {
        this.#noteSession();
      };
      const server = await WebServer.listen(port, {
        files: await files(),
        sessions: this.#sessions,
        onSession,
        control,
        consoleSocket,
        bridge,
        log,
      });
      this.#server = server;
      log.info({ port: server.port }, "pages are served on 127.0.0.1");
      return server;
    })().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  /** A new one-time link. @param port where to listen if it does not yet, 0 for any. @throws ENVIRONMENT, CONFLICT */
  async open(port: number): Promise<UiLink> {
    const server = this.#server ?? (await this.#listen(port));
    const { code, endsAt } = this.#sessions.newCode();
    const url = `http://127.0.0.1:${server.port}/${CODE_FRAGMENT}${code}`;
    const { linkPage } = this.#options;
    await writeFileDurably(linkPage, `<!doctype html><meta charset="utf-8"><title>Homeward</title>
<meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0; url=${url}"><a href="${url}">Homeward</a>
`);
    return { url, page: linkPage, expiresAt: new Date(endsAt).toISOString() };
  }

  #noteSession(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      void this.#write();
    }, WRITE_AFTER_MS);
  }

  #write(): Promise<void> {
    const { log, file } = this.#options;
    const port = this.port;
    if (port === null) return this.#writing;
    this.#writing = this.#writing.then(async () => {
      const stored: Stored = { port, sessions: this.#sessions.stored() };
      await writeFileDurably(file, `${JSON.stringify(stored)}\n`).catch((error: unknown) => {
        log.warn({ err: error }, "pages will have to be opened anew after the service was restarted");
      });
    });
    return this.#writing;
  }

  async close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#sessions.stored().length > 0) await this.#write();
    await rm(this.#options.linkPage, { force: true });
    const server = this.#server;
    this.#server = null;
    await server?.close();
  }
}

async function readStored(file: string): Promise<Stored | null> {
  try {
    return storedSchema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    if (toHomewardError(error).code === "NOT_FOUND") return null;
    throw error;
  }
}
