import { createHash } from "node:crypto";
import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { abortable, delay, throwIfAborted, withTimeout } from "../common/abort.ts";
import { HomewardError } from "../common/errors.ts";
import type { Progress } from "../common/progress.ts";
import { exited, start, type ChildProcess } from "../common/spawn.ts";
import { ControlClient } from "../protocol/control-client.ts";
import type { ControlMethod, ControlParams, ControlResult } from "../protocol/control.ts";

const NAMESPACE_SCRIPT = join(import.meta.dirname, "host-namespace.sh");
const SERVICE = join(import.meta.dirname, "..", "service", "main.ts");
const READY_TIMEOUT_MS = 60_000;
const RETRY_MS = 50;
const SHUTDOWN_TIMEOUT_MS = 15_000;
/** host-namespace.sh: another host's folder is visible. */
const STATUS_NOT_ALONE = 70;

export interface HostOptions {
  readonly name: string;
  /** The run's folder; the host's own is `name` inside it. */
  readonly work: string;
  /** Folders inside `work` that it may also see. */
  readonly shared: readonly string[];
  /** Folders inside `work` that must not exist for it. */
  readonly hidden: readonly string[];
  readonly peers: readonly { readonly name: string; readonly socket: string }[];
}

export interface HostCallOptions {
  readonly signal?: AbortSignal;
  readonly progress?: Progress;
}

/** Where a host keeps its state and listens, below the run's folder. */
export function hostPaths(work: string, name: string): { state: string; peerSocket: string; log: string } {
  const dir = join(work, name);
  return { state: join(dir, "state"), peerSocket: join(dir, "peer.sock"), log: join(dir, "output.log") };
}

/** What a host's service wrote: its log, and what came out of it otherwise. */
export function hostLogs(work: string, name: string): { service: string; output: string } {
  const { state, log } = hostPaths(work, name);
  return { service: join(state, "service.log"), output: log };
}

/** The service's folders for sockets; one that was killed leaves them behind (docs/on-disk.md). */
function runFolders(stateDir: string): string[] {
  const name = `homeward-${createHash("sha256").update(stateDir).digest("hex").slice(0, 8)}`;
  return [join("/run/user", String(process.getuid?.() ?? 0), name), join("/tmp", name)];
}

/** A computer of its own, as far as files and processes go: a Homeward service in its own namespaces. */
export class Host {
  readonly name: string;
  readonly stateDir: string;
  readonly #child: ChildProcess & { readonly pid: number };
  readonly #client: ControlClient;

  private constructor(
    name: string,
    stateDir: string,
    child: ChildProcess & { readonly pid: number },
    client: ControlClient,
  ) {
    this.name = name;
    this.stateDir = stateDir;
    this.#child = child;
    this.#client = client;
  }

  /**
   * Starts a host and waits until its service answers.
   * @param onStarted is given what ends it again, before anything else can fail
   * @throws ENVIRONMENT when this computer does not allow namespaces
   */
  static async start(
    options: HostOptions,
    onStarted: (stop: () => Promise<void>) => void,
    signal: AbortSignal,
  ): Promise<Host> {
    throwIfAborted(signal);
    const { name, work } = options;
    const paths = hostPaths(work, name);
    const log = await open(paths.log, "a", 0o600);
    const [command = "setpriv", ...args] = commandLine(options);
    // Its own process group: Ctrl-C is for the demo, which ends its hosts itself.
    const child = await start(command, args, { detached: true, stdio: ["ignore", log.fd, log.fd] });
    // `start` lets a detached process outlive this one; this one has to end it first.
    child.ref();
    await log.close();
    onStarted(() => end(child, paths.state));
    const client = await answeringService(join(paths.state, "control.sock"), child, paths.log, signal);
    return new Host(name, paths.state, child, client);
  }

  /** The first of its processes: all others are below it. */
  get pid(): number {
    return this.#child.pid;
  }

  call<M extends ControlMethod>(
    method: M,
    params: ControlParams<M>,
    { signal, progress }: HostCallOptions = {},
  ): Promise<ControlResult<M>> {
    const answer = this.#client.call(method, params, {
      ...(signal === undefined ? {} : { signal }),
      ...(progress === undefined
        ? {}
        : {
            onProgress: (update) => {
              progress.update(update);
            },
          }),
    });
    // A service that is told to stop may first have to put things in order; here the whole host is about to go.
    return abortable(answer, signal);
  }

  /** Ends the host in order: machines are suspended, so that its folder can be used again. */
  async suspendAndStop(): Promise<void> {
    await withTimeout(this.#client.call("shutdown", { machines: "suspend" }), SHUTDOWN_TIMEOUT_MS, "the service");
    await withTimeout(exited(this.#child), SHUTDOWN_TIMEOUT_MS, "the service");
  }
}

function commandLine({ name, work, shared, hidden, peers }: HostOptions): string[] {
  const paths = hostPaths(work, name);
  const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  return [
    // Should the demo itself be killed, the kernel ends its hosts, and with them everything inside.
    ...["setpriv", "--pdeathsig", "KILL", "--"],
    ...["unshare", ...asRoot, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"],
    ...["sh", NAMESPACE_SCRIPT, work, [name, ...shared].join(" "), hidden.join(" ")],
    ...[process.execPath, SERVICE, "--state", paths.state, "--name", name, "--listen", paths.peerSocket],
    ...peers.flatMap((peer) => ["--peer", `${peer.name}=${peer.socket}`]),
  ];
}

/** Waits until a service answers on its control socket. */
async function answeringService(
  socket: string,
  child: ChildProcess,
  log: string,
  signal: AbortSignal,
): Promise<ControlClient> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (performance.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) throw await startFailure(child, log);
    const client = await ControlClient.connect(socket).catch(() => null);
    if (client !== null) return client;
    await delay(RETRY_MS, signal);
  }
  throw new HomewardError("TIMEOUT", `the service does not answer on ${socket}`);
}

async function startFailure(child: ChildProcess, log: string): Promise<HomewardError> {
  const words = (await readFile(log, "utf8")).trim().slice(-2000);
  if (child.exitCode === STATUS_NOT_ALONE)
    return new HomewardError("INTERNAL", `a host can see another one's folder: ${words}`);
  if (/unshare|mount/.test(words))
    return new HomewardError("ENVIRONMENT", `the demo's hosts need namespaces of their own: ${words}`, {
      hint: "Run it as root, or allow unprivileged user namespaces; in a container it needs CAP_SYS_ADMIN.",
    });
  return new HomewardError("ENVIRONMENT", `a host's service ended at once: ${words}`);
}

/** The first process inside the namespaces that `unshare` made; they end when it does. */
async function firstProcessInside(unsharePid: number): Promise<number | undefined> {
  const children = await readFile(`/proc/${unsharePid}/task/${unsharePid}/children`, "utf8").catch(() => "");
  const pid = Number(children.trim().split(" ")[0]);
  return pid > 0 ? pid : undefined;
}

/** Kills everything in a host's namespaces and waits until it is gone. */
async function end(child: ChildProcess & { readonly pid: number }, stateDir: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    // When the first process dies the kernel kills all others, and `unshare` ends only after the last of them.
    const inside = await firstProcessInside(child.pid);
    if (inside === undefined) child.kill("SIGKILL");
    else process.kill(inside, "SIGKILL");
    await exited(child);
  }
  for (const folder of runFolders(stateDir)) await rm(folder, { recursive: true, force: true });
}
