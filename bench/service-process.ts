import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { withTimeout } from "../common/abort.ts";
import { exited, start, type ChildProcess } from "../common/spawn.ts";
import { ControlClient, type CallOptions } from "../protocol/control-client.ts";
import type { ControlMethod, ControlParams, ControlResult } from "../protocol/control.ts";

const SERVICE = join(import.meta.dirname, "..", "service", "main.ts");
const TURN_PROBE = join(import.meta.dirname, "turn-probe.ts");
const READY_MS = 60_000;

export interface ServiceProcessOptions {
  readonly name: string;
  /** Everything of the service is put in here. */
  readonly dir: string;
  /** Name and socket of the other host. */
  readonly peer?: { readonly name: string; readonly socket: string };
  /** Watch how long the event loop is held up, at the price of a busy core. */
  readonly watchTurns?: boolean;
}

/** The socket on which a service started from here listens to others. */
export function peerSocket(dir: string, name: string): string {
  return join(dir, `${name}.sock`);
}

/** A service as `homeward serve` starts it. */
export class ServiceProcess {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #client: ControlClient;
  readonly #turns: string;

  private constructor(child: ChildProcess & { readonly pid: number }, client: ControlClient, turns: string) {
    this.pid = child.pid;
    this.#child = child;
    this.#client = client;
    this.#turns = turns;
  }

  static async start({ name, dir, peer, watchTurns }: ServiceProcessOptions): Promise<ServiceProcess> {
    const state = join(dir, name);
    const turns = join(dir, `${name}.turns`);
    const log = await open(join(dir, `${name}.log`), "a");
    const child = await start(
      process.execPath,
      [
        ...(watchTurns === true ? ["--import", TURN_PROBE] : []),
        ...[SERVICE, "--state", state, "--name", name, "--listen", peerSocket(dir, name)],
        ...(peer === undefined ? [] : ["--peer", `${peer.name}=${peer.socket}`]),
      ],
      { stdio: ["ignore", "pipe", log.fd], env: { ...process.env, HOMEWARD_TURNS: turns } },
    );
    await log.close();
    if (child.stdout === null) throw new Error("no pipe");
    const lines = createInterface({ input: child.stdout });
    await withTimeout(new Promise((resolve) => lines.once("line", resolve)), READY_MS, `the service ${name}`);
    return new ServiceProcess(child, await ControlClient.connect(join(state, "control.sock")), turns);
  }

  call<M extends ControlMethod>(
    method: M,
    params: ControlParams<M>,
    options: CallOptions = {},
  ): Promise<ControlResult<M>> {
    return this.#client.call(method, params, options);
  }

  /** Milliseconds of processor time of the longest turns of the event loop since the last call, longest first. */
  async longestTurns(): Promise<number[]> {
    await rm(this.#turns, { force: true });
    process.kill(this.pid, "SIGUSR2");
    for (;;) {
      const text = await readFile(this.#turns, "utf8").catch(() => "");
      if (text.endsWith("\n")) return JSON.parse(text) as number[];
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ends the service and its machines; does nothing the second time. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    await this.#client.call("shutdown", { machines: "kill" });
    await exited(this.#child);
  }
}
