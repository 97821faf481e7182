import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withTimeout } from "../common/abort.ts";
import { HomewardError } from "../common/errors.ts";
import { exited, start, type ChildProcess } from "../common/spawn.ts";
import { cookieFile } from "./x11/authority.ts";

/** Pixels; a viewer's window with the guest's whole picture has to fit in. */
const SCREEN = "2560x1600x24";
const START_TIMEOUT_MS = 30_000;
const END_TIMEOUT_MS = 3000;

/** A program that ends with this process, however that ends. @throws ENVIRONMENT if it cannot be started */
export function startTied(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  stdio: readonly ("ignore" | "pipe")[],
): Promise<ChildProcess> {
  return start("setpriv", ["--pdeathsig", "TERM", "--", command, ...args], { env, stdio });
}

/** Asked first: a server that is killed leaves its lock and socket in /tmp. */
async function end(child: ChildProcess): Promise<void> {
  child.kill("SIGTERM");
  const killing = setTimeout(() => child.kill("SIGKILL"), END_TIMEOUT_MS);
  await exited(child);
  clearTimeout(killing);
}

/** An X display in memory (Xvfb), which only who has its cookie can reach. */
export class HeadlessDisplay {
  /** For programs that are to use it. */
  readonly env: NodeJS.ProcessEnv;
  readonly #server: ChildProcess;
  readonly #folder: string;
  readonly #programs: ChildProcess[] = [];

  private constructor(server: ChildProcess, folder: string, env: NodeJS.ProcessEnv) {
    this.#server = server;
    this.#folder = folder;
    this.env = env;
  }

  /** @throws ENVIRONMENT if Xvfb is not installed or does not start, TIMEOUT */
  static async start(): Promise<HeadlessDisplay> {
    const folder = await mkdtemp(join(tmpdir(), "hw-x-"));
    const authority = join(folder, "authority");
    await writeFile(authority, cookieFile(randomBytes(16)), { mode: 0o600 });
    const server = await startTied(
      "Xvfb",
      ["-displayfd", "3", "-screen", "0", SCREEN, "-nolisten", "tcp", "-auth", authority, "-noreset"],
      process.env,
      ["ignore", "ignore", "ignore", "pipe"],
    );
    try {
      const number = await withTimeout(displayNumber(server), START_TIMEOUT_MS, "Xvfb");
      const env = { ...process.env, DISPLAY: `:${number}`, XAUTHORITY: authority, XDG_SESSION_TYPE: "x11" };
      return new HeadlessDisplay(server, folder, { ...env, WAYLAND_DISPLAY: undefined });
    } catch (error) {
      await end(server);
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** The display's name, as in DISPLAY. */
  get name(): string {
    return this.env["DISPLAY"] ?? "";
  }

  /** Starts a program on this display, which ends with it. */
  async run(command: string, args: readonly string[]): Promise<void> {
    this.#programs.push(await startTied(command, args, this.env, ["ignore", "ignore", "ignore"]));
  }

  /** Ends the display and every program on it. */
  async stop(): Promise<void> {
    await Promise.all([...this.#programs, this.#server].map(end));
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** The server says on descriptor 3 which number it has found free. */
function displayNumber(server: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    server.stdio[3]?.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1", 0, 16);
      const number = /^(\d+)\n/.exec(text)?.[1];
      if (number !== undefined) resolve(number);
    });
    server.once("exit", () => {
      reject(
        new HomewardError("ENVIRONMENT", "the headless display (Xvfb) does not start", {
          hint: "Install it with: apt-get install xvfb",
        }),
      );
    });
  });
}
