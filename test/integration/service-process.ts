import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { delay } from "../../common/abort.ts";
import { exited, start, type ChildProcess } from "../../common/spawn.ts";
import { ControlClient } from "../../protocol/control-client.ts";
import type { ControlMethod, ControlParams, ControlResult } from "../../protocol/control.ts";
import { keyForChar, keyForName } from "../../vm/rfb/keymap.ts";
import { RfbClient } from "../../vm/rfb/rfb-client.ts";

const SERVICE = join(import.meta.dirname, "..", "..", "service", "main.ts");

/** A service in a process of its own, with a state folder that outlives it. */
export class TestService {
  readonly stateDir: string;
  readonly #name: string;
  #child: (ChildProcess & { pid: number }) | null = null;
  #client: ControlClient | null = null;

  private constructor(stateDir: string, name: string) {
    this.stateDir = stateDir;
    this.#name = name;
  }

  static async create(name: string): Promise<TestService> {
    return new TestService(await mkdtemp(join(tmpdir(), "hw-service-")), name);
  }

  async start(...args: string[]): Promise<void> {
    const command = [SERVICE, "--state", this.stateDir, "--name", this.#name, ...args];
    const child = await start(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
    this.#child = child;
    if (child.stdout === null) throw new Error("no output");
    for await (const line of createInterface({ input: child.stdout })) {
      const { control } = JSON.parse(line) as { control: string };
      this.#client = await ControlClient.connect(control);
      return;
    }
    throw new Error("the service did not start");
  }

  call<M extends ControlMethod>(method: M, params: ControlParams<M>, signal?: AbortSignal): Promise<ControlResult<M>> {
    if (this.#client === null) throw new Error("the service does not run");
    return this.#client.call(method, params, signal === undefined ? {} : { signal });
  }

  async workspace(name: string): Promise<ControlResult<"start">> {
    const { workspaces } = await this.call("status", {});
    const found = workspaces.find((workspace) => workspace.name === name);
    if (found === undefined) throw new Error(`no workspace ${name}`);
    return found;
  }

  /** Waits until the workspace is in that state. */
  async reaches(name: string, state: string, timeoutMs = 20_000): Promise<ControlResult<"start">> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const found = await this.workspace(name);
      if (found.state === state) return found;
      if (performance.now() > deadline) throw new Error(`${name} is ${found.state}, not ${state}`);
      await delay(50);
    }
  }

  /** Stops the process as a computer's sleep does, or lets it go on. */
  stand(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child?.kill(signal);
  }

  async signal(signal: "SIGKILL" | "SIGTERM"): Promise<number | NodeJS.Signals> {
    const child = this.#child;
    this.#child = null;
    if (child === null) throw new Error("the service does not run");
    const ended = exited(child);
    child.kill(signal);
    return ended;
  }

  async remove(): Promise<void> {
    // Machines must not outlive the test, whatever happened in it.
    if (this.#child === null) await this.start().catch(() => undefined);
    await this.call("shutdown", { machines: "kill" }).catch(() => undefined);
    this.#client?.close();
    if (this.#child !== null) await exited(this.#child);
    await rm(this.stateDir, { recursive: true, force: true });
  }
}

const PROMPT_PIXELS = 72;

/** A viewer of the tiny guest's console that can type and knows where the text cursor is. */
export class TinyConsole {
  readonly rfb: RfbClient;

  private constructor(rfb: RfbClient) {
    this.rfb = rfb;
  }

  static async connect(socket: string | null): Promise<TinyConsole> {
    if (socket === null) throw new Error("no console");
    return new TinyConsole(await RfbClient.connect(socket, { wakeEveryMs: 200 }));
  }

  /** Line of pixels in which the cursor, the only red thing there is, stands behind a prompt; undefined when it does not. */
  #promptLine(): number | undefined {
    const { pixels, width } = this.rfb.frame;
    for (let at = 0; at + 2 < pixels.length; at += 4) {
      const [red = 0, green = 0, blue = 0] = pixels.subarray(at, at + 3);
      if (red > 120 && green < 40 && blue < 40)
        return (at / 4) % width === PROMPT_PIXELS ? Math.floor(at / 4 / width) : undefined;
    }
    return undefined;
  }

  /** Waits for a prompt further down than `above`. */
  async prompt(above = -1, timeoutMs = 60_000): Promise<number> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const line = this.#promptLine();
      if (line !== undefined && line > above) return line;
      if (performance.now() > deadline) throw new Error("the tiny guest shows no prompt");
      await delay(50);
    }
  }

  async type(text: string): Promise<void> {
    const held = keyForName("shift");
    for (const character of text) {
      const key = character === "\n" ? { ...keyForName("enter"), shift: false } : keyForChar(character);
      if (key.shift) this.rfb.key(true, held.keysym, held.keycode);
      this.rfb.key(true, key.keysym, key.keycode);
      await delay(20);
      this.rfb.key(false, key.keysym, key.keycode);
      if (key.shift) this.rfb.key(false, held.keysym, held.keycode);
      await delay(40);
    }
  }

  close(): void {
    this.rfb.close();
  }
}
