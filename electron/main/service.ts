import { HomewardError, toHomewardError } from "../../common/errors.ts";
import { run } from "../../common/spawn.ts";
import { ControlClient } from "../../protocol/control-client.ts";
import { APP_ORIGIN, CODE_FRAGMENT, SESSION_PATH, sessionSchema } from "../../protocol/control.ts";
import type { ServiceSession } from "../gateway.ts";

const START_MS = 60_000;
const EXCHANGE_MS = 10_000;

/** The service of this computer, as the app uses it: it runs by itself and outlives the app. */
export class ServiceAccess {
  readonly #socket: string;
  readonly #command: readonly string[];
  #starting: Promise<void> | null = null;

  /**
   * @param socket the service's control.sock
   * @param command program and first arguments of the command line `homeward`
   */
  constructor(socket: string, command: readonly string[]) {
    this.#socket = socket;
    this.#command = command;
  }

  /** A connection to the service that runs. @throws ENVIRONMENT if none does */
  running(): Promise<ControlClient> {
    return ControlClient.connect(this.#socket);
  }

  /** The same, but starts a service if none runs. @throws why it does not start */
  async connect(): Promise<ControlClient> {
    try {
      return await this.running();
    } catch (error) {
      if (toHomewardError(error).code !== "ENVIRONMENT") throw error;
    }
    // Two that ask at the same time must not start two services.
    this.#starting ??= this.#startService().finally(() => {
      this.#starting = null;
    });
    await this.#starting;
    return this.running();
  }

  async #startService(): Promise<void> {
    const [program, ...first] = this.#command;
    if (program === undefined) throw new HomewardError("INTERNAL", "there is no command line to start the service with");
    try {
      await run(program, [...first, "serve", "--detach"], { timeoutMs: START_MS });
    } catch (error) {
      throw new HomewardError("ENVIRONMENT", `the Homeward service does not start: ${lastWords(error)}`, {
        cause: error,
        hint: `"homeward doctor" finds out what is wrong.`,
      });
    }
  }

  /**
   * A session for the app's page. The code of a one-time link is exchanged here, as the page, being of another origin, may not.
   * @param mayStart whether a service is started if none runs
   * @throws ENVIRONMENT if none runs, or does not start
   */
  async openSession(mayStart: boolean): Promise<ServiceSession> {
    const client = await (mayStart ? this.connect() : this.running());
    try {
      const { url } = await client.call("ui", {});
      const { origin, hash } = new URL(url);
      const response = await fetch(new URL(SESSION_PATH, origin), {
        method: "POST",
        headers: { "content-type": "application/json", origin: APP_ORIGIN },
        body: JSON.stringify({ code: hash.slice(CODE_FRAGMENT.length) }),
        signal: AbortSignal.timeout(EXCHANGE_MS),
      });
      if (!response.ok) throw new HomewardError("ENVIRONMENT", `the service refused a session (${response.status})`);
      return { origin, token: sessionSchema.parse(await response.json()).token };
    } finally {
      client.close();
    }
  }
}

/** What the command line said about it, without the name of the program. */
function lastWords(error: unknown): string {
  const { message, data } = toHomewardError(error);
  const stderr = typeof data["stderr"] === "string" ? data["stderr"].trim() : "";
  return stderr === "" ? message : stderr.replace(/^homeward: /, "");
}
