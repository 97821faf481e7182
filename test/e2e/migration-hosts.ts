import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { delay } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import { exited, start, type ChildProcess } from "../../common/spawn.ts";
import { buildGuest } from "../../guests/build.ts";
import { ControlClient, type CallOptions } from "../../protocol/control-client.ts";
import type { ControlMethod, ControlParams, ControlResult, WorkspaceStatus } from "../../protocol/control.ts";
import { keyForChar, keyForName } from "../../vm/rfb/keymap.ts";
import { RfbClient } from "../../vm/rfb/rfb-client.ts";
import { StatePaths } from "../../service/store/paths.ts";
import { FrameRelay } from "./frame-relay.ts";

const SERVICE = join(import.meta.dirname, "..", "..", "service", "main.ts");
const READY_MS = 180_000;
export const WORKSPACE = "desk";

/** What is different about the computer that a service runs on. */
export interface Circumstances {
  /** Where it finds programs. */
  readonly path?: string;
  /** Its state folder is empty, and on a disk of this size. */
  readonly roomBytes?: number;
  /** Its state folder is on the disk that this process has for itself, such as a machine of an earlier run with `roomBytes`. */
  readonly diskOf?: number;
  /** A program, and its arguments, that becomes the service. */
  readonly through?: readonly string[];
  /** A module that the service's process loads first. */
  readonly preload?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** More of the service's own options. */
  readonly args?: readonly string[];
}

/** Runs a command where `dir` is a new file system of that size, which nobody else sees and which ends with the command. */
function smallDisk(dir: string, bytes: number): string[] {
  const namespaces = process.getuid?.() === 0 ? ["--mount"] : ["--mount", "--map-root-user"];
  const script = `mkdir -p "$2" && mount -t tmpfs -o "size=$1,mode=0700" none "$2" && shift 2 && exec "$@"`;
  return ["unshare", ...namespaces, "--", "sh", "-c", script, "sh", String(bytes), dir];
}

function inNamespaces(pid: number): string[] {
  const namespaces = process.getuid?.() === 0 ? ["--mount"] : ["--mount", "--user", "--preserve-credentials"];
  return ["nsenter", "--target", String(pid), ...namespaces, "--"];
}

/** A service in a process of its own, which can be killed and started again on the same state folder. */
export class TestHost {
  readonly name: string;
  readonly state: string;
  /** Where the state folder can be looked into. */
  files: string;
  readonly #dir: string;
  readonly #args: string[];
  #child: ChildProcess | null = null;
  #client: ControlClient | null = null;

  /**
   * @param peer the host it knows by a socket; "paired" for one that meets others over TLS; settings of ssh for through ssh
   * @param patienceMinutes how long it waits for a lost connection
   */
  constructor(
    dir: string,
    name: string,
    peer: { readonly name: string; readonly socket: string } | "paired" | { readonly sshConfig: string },
    patienceMinutes = 0,
  ) {
    this.name = name;
    this.#dir = dir;
    this.state = join(dir, name);
    this.files = this.state;
    const listen = join(dir, `${name}.sock`);
    this.#args = ["--state", this.state, "--name", name, "--patience", String(patienceMinutes)];
    if (peer === "paired") this.#args.push("--listen-tls", "127.0.0.1:0");
    else if ("sshConfig" in peer) this.#args.push("--ssh-config", peer.sshConfig);
    else this.#args.push("--listen", listen, "--peer", `${peer.name}=${peer.socket}`);
  }

  /** Process id of the service; undefined while there is none. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start({ path, roomBytes, diskOf, preload, env, through = [], args: more = [] }: Circumstances = {}): Promise<void> {
    const log = await open(join(this.#dir, `${this.name}.log`), "a");
    const room = roomBytes !== undefined ? smallDisk(this.state, roomBytes) : diskOf !== undefined ? inNamespaces(diskOf) : [];
    const first = preload === undefined ? [] : ["--import", preload];
    const [command = "", ...args] = [...through, ...room, process.execPath, ...first, SERVICE, ...this.#args, ...more];
    const child = await start(command, args, {
      stdio: ["ignore", "pipe", log.fd],
      env: { ...process.env, ...env, ...(path === undefined ? {} : { PATH: path }) },
    });
    await log.close();
    this.#child = child;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(reject, READY_MS, new Error(`${this.name} did not start`));
      child.stdout?.once("data", () => {
        clearTimeout(timer);
        resolve();
      });
      child.once("exit", () => {
        clearTimeout(timer);
        reject(new Error(`${this.name} ended while it started`));
      });
    });
    child.once("exit", () => {
      if (this.#child === child) this.#child = this.#client = null;
    });
    // Of a host with a disk of its own the folder is not seen from here.
    this.files = room.length === 0 ? this.state : `/proc/${String(child.pid)}/root${this.state}`;
    this.#client = await ControlClient.connect(join(this.files, "control.sock"));
  }

  /** As if its computer had lost power, except that QEMU runs on. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    this.#client = null;
    if (child === null) return;
    child.kill("SIGKILL");
    await exited(child);
  }

  async restart(circumstances: Circumstances = {}): Promise<void> {
    await this.kill();
    await this.start(circumstances);
  }

  /** "SIGSTOP" makes it as silent as a computer that was closed, "SIGCONT" wakes it. */
  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.#child?.kill(name);
  }

  /** Ends the service and its machines; a service that was killed is started again for that. */
  async end(): Promise<void> {
    if (this.#client === null) await this.start();
    const child = this.#child;
    await this.call("shutdown", { machines: "kill" });
    if (child !== null) await exited(child);
    this.#child = null;
  }

  call<M extends ControlMethod>(
    method: M,
    params: ControlParams<M>,
    options: CallOptions = {},
  ): Promise<ControlResult<M>> {
    if (this.#client === null) throw new Error(`${this.name} does not run`);
    return this.#client.call(method, params, options);
  }

  async workspace(): Promise<WorkspaceStatus> {
    const { workspaces } = await this.call("status", {});
    const found = workspaces.find(({ name }) => name === WORKSPACE);
    if (found === undefined) throw new Error(`${this.name} has no workspace`);
    return found;
  }

  /** Resident memory of the service in bytes when it was at its highest. */
  async peakMemory(): Promise<number> {
    const text = await readFile(`/proc/${String(this.#child?.pid)}/status`, "utf8");
    return Number(/VmHWM:\s+(\d+) kB/.exec(text)?.[1]) * 1024;
  }

  async console(): Promise<RfbClient> {
    const { path } = await this.call("console", { workspace: WORKSPACE });
    return RfbClient.connect(path);
  }
}

export async function makeTiny(near: TestHost): Promise<void> {
  const guest = await buildGuest("tiny");
  await near.call("create", { workspace: WORKSPACE, from: guest.dir, accelerator: "tcg" });
}

/** The same, and what the test listens on is in its network. */
export async function makeTinyWithHost(near: TestHost): Promise<void> {
  const guest = await buildGuest("tiny");
  await near.call("create", { workspace: WORKSPACE, from: guest.dir, accelerator: "tcg", hostLoopback: true });
}

/** Starts the workspace, and seals it at the tiny guest's prompt. @param exportTo a folder that also gets the generation */
export async function sealAtPrompt(host: TestHost, exportTo?: string): Promise<void> {
  await host.call("start", { workspace: WORKSPACE });
  const console = await host.console();
  await promptShown(console);
  // The shell asks the terminal where the cursor is when it starts; the first line may still hold a bit of the answer.
  await type(console, "clear\n");
  await stillPicture(console, 1500);
  console.close();
  await host.call("seal", { workspace: WORKSPACE, ...(exportTo === undefined ? {} : { export: exportTo }) });
}

/** Ends services and their machines, and removes all that is theirs. @param dir where all of them are */
export async function removeHosts(dir: string, ...hosts: readonly TestHost[]): Promise<void> {
  await Promise.allSettled(hosts.map((host) => host.end()));
  for (const { state } of hosts) await removeRunFolders(state);
  await rm(dir, { recursive: true, force: true });
}

/** Two hosts that reach each other, all of it in one folder. What `near` sends to `far` passes a relay. */
export class TwoHosts {
  readonly dir: string;
  readonly near: TestHost;
  readonly far: TestHost;
  readonly relay: FrameRelay;
  /** The generation that both began with. */
  readonly exported: string;

  private constructor(dir: string, relay: FrameRelay, patienceMinutes: number) {
    this.dir = dir;
    this.relay = relay;
    this.exported = join(dir, "export");
    this.near = new TestHost(dir, "near", { name: "far", socket: join(dir, "relay.sock") }, patienceMinutes);
    this.far = new TestHost(dir, "far", { name: "near", socket: join(dir, "near.sock") }, patienceMinutes);
  }

  /**
   * Both run; `near` owns a running workspace, sealed once, and `far` holds that generation.
   * @param make makes the workspace, with a system that ends at the tiny guest's prompt
   */
  static async create(
    make: (near: TestHost, dir: string) => Promise<void> = makeTiny,
    { patienceMinutes = 0, ...circumstances }: { readonly patienceMinutes?: number } & Circumstances = {},
  ): Promise<TwoHosts> {
    const dir = await mkdtemp(join(tmpdir(), "hw-e2e-"));
    const relay = await FrameRelay.listen(join(dir, "relay.sock"), join(dir, "far.sock"));
    const hosts = new TwoHosts(dir, relay, patienceMinutes);
    await Promise.all([hosts.near.start(circumstances), hosts.far.start(circumstances)]);
    await make(hosts.near, dir);
    const copy = hosts.exported;
    await sealAtPrompt(hosts.near, copy);
    const { hostLoopback } = await hosts.near.workspace();
    await hosts.far.call("create", { workspace: WORKSPACE, from: copy, owner: "near", verified: true, hostLoopback });
    return hosts;
  }

  async end(): Promise<void> {
    await this.relay.close();
    await removeHosts(this.dir, this.near, this.far);
  }
}

/** What the machines of a service leave outside its state folder. */
export async function removeRunFolders(state: string): Promise<void> {
  for (const parent of [`/run/user/${String(process.getuid?.())}`, "/tmp", "/dev/shm"])
    await rm(join(parent, new StatePaths(state).runName), { recursive: true, force: true });
}

/** Types into the guest like a quick person, who looks at a line before it is sent. */
export async function type(client: RfbClient, text: string): Promise<void> {
  for (const character of text) {
    const isEnter = character === "\n";
    if (isEnter) await stillPicture(client);
    const key = isEnter ? { ...keyForName("enter"), shift: false } : keyForChar(character);
    const shift = keyForName("shift");
    if (key.shift) client.key(true, shift.keysym, shift.keycode);
    client.key(true, key.keysym, key.keycode);
    client.key(false, key.keysym, key.keycode);
    if (key.shift) client.key(false, shift.keysym, shift.keycode);
    await delay(isEnter ? 400 : 60);
  }
}

/** Types a command, which ends with a line break, and resolves with the picture when the tiny guest's prompt is back. */
export async function run(client: RfbClient, command: string): Promise<Buffer> {
  await type(client, command.slice(0, -1));
  const typed = await stillPicture(client);
  await type(client, command.slice(-1));
  await eventually("the guest takes the command", () => Promise.resolve(!client.frame.pixels.equals(typed)));
  await promptShown(client, 500);
  return Buffer.from(client.frame.pixels);
}

/** Resolves when the viewer has that picture, which takes a while on a busy computer. */
export async function sees(client: RfbClient, picture: Buffer): Promise<void> {
  await eventually("the same picture", () => Promise.resolve(client.frame.pixels.equals(picture)));
}

/** Resolves with the picture once it has not changed for `quietMs`. */
export async function stillPicture(client: RfbClient, quietMs = 800): Promise<Buffer> {
  for (let seen = Buffer.from(client.frame.pixels), since = performance.now(); ; ) {
    await delay(100);
    if (!client.frame.pixels.equals(seen)) {
      seen = Buffer.from(client.frame.pixels);
      since = performance.now();
    } else if (performance.now() - since >= quietMs) return seen;
  }
}

/** The tiny guest is up: its text cursor, the only red thing there is, is shown behind a prompt, and stays for `quietMs`. */
export async function promptShown(client: RfbClient, quietMs = 1500): Promise<void> {
  const deadline = performance.now() + 180_000;
  for (;;) {
    await delay(200);
    if (isCursorShown(client)) {
      await stillPicture(client, quietMs);
      if (isCursorShown(client)) return;
    }
    if (performance.now() > deadline) throw new Error("the tiny guest shows no prompt");
  }
}

/** While it boots, which takes long on a busy computer, the cursor is in the first column. */
const FIRST_COLUMN_PIXELS = 16;

function isCursorShown({ frame: { pixels, width } }: RfbClient): boolean {
  for (let at = 0; at + 2 < pixels.length; at += 4) {
    const [red = 0, green = 0, blue = 0] = pixels.subarray(at, at + 3);
    if (red > 120 && green < 40 && blue < 40) return (at / 4) % width >= FIRST_COLUMN_PIXELS;
  }
  return false;
}

/** What a call failed with. */
export async function failure(work: Promise<unknown>): Promise<HomewardError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof HomewardError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

/** Resolves when `holds` does. */
export async function eventually(what: string, holds: () => Promise<boolean>, limitMs = 60_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`still not: ${what}`);
    await delay(100);
  }
}
