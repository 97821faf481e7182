import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { HomewardError } from "../../common/errors.ts";
import { exited, start, type ChildProcess } from "../../common/spawn.ts";
import { withTimeout } from "../../common/abort.ts";
import { relayAnswerSchema, type RelayAnswer, type RelayRequest } from "./relay-messages.ts";
import type { Route } from "./relay.ts";
import type { LinkSpeed } from "./speed.ts";

const RELAY = join(import.meta.dirname, "relay-main.ts");
const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5000;

/** The running line between the two hosts, as seen by the demo. */
export class Link {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: RelayAnswer) => void>();
  #nextId = 1;

  private constructor(child: ChildProcess) {
    this.#child = child;
    if (child.stdout !== null)
      createInterface({ input: child.stdout }).on("line", (line) => {
        const answer = relayAnswerSchema.parse(JSON.parse(line));
        this.#waiting.get(answer.id)?.(answer);
        this.#waiting.delete(answer.id);
      });
    child.stdin?.on("error", () => undefined);
  }

  /** @param speedText as the user wrote it, e.g. "1mbit,50ms" */
  static async start(speedText: string, routes: readonly Route[]): Promise<Link> {
    const routeArguments = routes.flatMap(({ direction, listen, to }) => ["--route", `${direction}:${listen}:${to}`]);
    const child = await start(process.execPath, [RELAY, "--speed", speedText, ...routeArguments], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const link = new Link(child);
    await withTimeout(link.#answer(0), START_TIMEOUT_MS, "the link");
    return link;
  }

  async setSpeed(speed: LinkSpeed): Promise<void> {
    await this.#ask({ speed });
  }

  /** Bytes put on the line so far in both directions together, once nothing is under way. */
  async settledBytes(): Promise<number> {
    const { bytes } = await this.#ask({ quiet: true });
    return bytes[0] + bytes[1];
  }

  /** Cuts everything that is under way and ends the process. */
  async stop(): Promise<void> {
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await exited(this.#child);
    clearTimeout(timer);
  }

  #ask(request: Omit<RelayRequest, "id">): Promise<RelayAnswer> {
    const id = this.#nextId++;
    const answer = this.#answer(id);
    this.#child.stdin?.write(`${JSON.stringify({ id, ...request })}\n`);
    return answer;
  }

  /** The answer to request `id`. @throws INTERNAL when the relay ends before */
  async #answer(id: number): Promise<RelayAnswer> {
    const stop = new AbortController();
    const gone = once(this.#child, "exit", { signal: stop.signal }).then(() => {
      throw new HomewardError("INTERNAL", "the process that plays the slow link has ended");
    });
    gone.catch(() => undefined);
    try {
      return await Promise.race([new Promise<RelayAnswer>((resolve) => this.#waiting.set(id, resolve)), gone]);
    } finally {
      stop.abort();
      this.#waiting.delete(id);
    }
  }
}
