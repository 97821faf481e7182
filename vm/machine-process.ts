import { lchown, mkdir, open, readFile, stat, writeFile, type FileHandle } from "node:fs/promises";
import { abortReason, withTimeout } from "../common/abort.ts";
import { HomewardError } from "../common/errors.ts";
import { exited, run, start, type ChildProcess } from "../common/spawn.ts";
import { hardwareOf, type MachineDefinition } from "../protocol/machine.ts";
import { qemuArguments, type MachineFiles } from "./arguments.ts";
import { confined, type Limits, RESOLV_CONF, startWithOwnNetwork } from "./confined.ts";
import { connectUnix, connectWhenListening } from "./connect.ts";
import { checkLayers } from "./image-header.ts";
import { Machine } from "./machine.ts";
import { readProcess, signalProcess, startedWith, whenGone, type ProcessFacts } from "./process-identity.ts";
import { logTail } from "./qemu-log.ts";
import { QmpClient } from "./qmp-client.ts";
import { isJsonObject } from "./qmp-stream.ts";
import { unprivilegedId } from "./run-as.ts";
import { removeStaleFiles, runDirFiles, type RunDirFiles } from "./run-dir.ts";

export { syncFiles } from "./device-state.ts";
export { Machine, type MachineEvent } from "./machine.ts";

const QEMU = "qemu-system-x86_64";
const START_TIMEOUT_MS = 30_000;

/** Full version of the installed QEMU, e.g. "7.2.22". @throws ENVIRONMENT when it is missing */
export async function qemuVersion(): Promise<string> {
  const { stdout } = await run(QEMU, ["--version"], { timeoutMs: START_TIMEOUT_MS });
  const version = /version (\d+\.\d+(?:\.\d+)?)/.exec(stdout.toString())?.[1];
  if (version !== undefined) return version;
  throw new HomewardError("ENVIRONMENT", `cannot tell the version of ${QEMU}`);
}

/** The living QEMU of a run folder: its arguments name the pid file, so a reused number is never taken for it. */
async function findLiving(files: RunDirFiles): Promise<ProcessFacts | null> {
  let text: string;
  try {
    text = await readFile(files.pid, "latin1");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  if (!/^[1-9][0-9]{0,9}\n?$/.test(text)) return null;
  const found = await readProcess(Number(text));
  if (found === null) return null;
  const at = found.args.indexOf("-pidfile");
  return at !== -1 && found.args[at + 1] === files.pid ? found : null;
}

/**
 * Ends a QEMU whose starter was killed before it could write its pid file, by which alone it would be found; what becomes
 * QEMU has its arguments already. Its guest never ran.
 */
async function endUnfinishedStart(files: RunDirFiles): Promise<void> {
  for (const found of await startedWith("-pidfile", files.pid)) {
    await signalProcess(found, "SIGKILL");
    await withTimeout(whenGone(found), START_TIMEOUT_MS, "killing QEMU");
  }
}

/** Whether the QEMU of a run folder is alive; it is not talked to. */
export async function machineRuns(runDir: string): Promise<boolean> {
  return (await findLiving(runDirFiles(runDir))) !== null;
}

/** Whoever can enter the folder can control the machine, so it has to be this user's alone. */
async function prepareRunDir(runDir: string): Promise<void> {
  await mkdir(runDir, { recursive: true, mode: 0o700 });
  const { mode, uid } = await stat(runDir);
  if ((mode & 0o077) !== 0 || uid !== process.getuid?.())
    throw new HomewardError("ENVIRONMENT", `other users can reach the run folder ${runDir}`, {
      hint: `Remove it, or make it yours alone: chmod 700 ${runDir}`,
    });
}

async function openOrCreate(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return await open(path, "wx+", 0o600);
  }
}

/**
 * A fresh boot gets zeroed RAM in a file that only this user can read (QEMU would make it 0644); a state to be loaded
 * needs the RAM that belongs to it. Nothing that was ever written is overwritten here.
 */
async function prepareRam(m: MachineDefinition, f: MachineFiles): Promise<void> {
  if (!f.incoming) {
    const file = await openOrCreate(f.ramPath);
    try {
      if ((await file.stat()).blocks !== 0)
        throw new HomewardError("CONFLICT", `the RAM file of ${f.name} holds an older state: ${f.ramPath}`, {
          hint: "Resume that state, or remove the file to boot afresh.",
        });
      await file.truncate(m.memoryBytes);
    } finally {
      await file.close();
    }
  }
  const { size } = await stat(f.ramPath).catch((cause: unknown) => {
    throw new HomewardError("NOT_FOUND", `the RAM file of ${f.name} is missing: ${f.ramPath}`, { cause });
  });
  if (size !== m.memoryBytes)
    throw new HomewardError("DAMAGED", `the RAM file of ${f.name} has ${size} bytes instead of ${m.memoryBytes}`);
}

async function emptyLog(path: string): Promise<FileHandle> {
  const log = await open(path, "a", 0o600);
  await log.truncate(0);
  return log;
}

interface SpawnOptions extends Pick<MachineFiles, "network"> {
  readonly limits: Limits | null;
  readonly runAs: number | null;
}

async function spawnQemu(
  args: readonly string[],
  files: RunDirFiles,
  { network, limits, runAs }: SpawnOptions,
): Promise<ChildProcess & { pid: number }> {
  const isOpen = network === "open";
  const isRoot = process.getuid?.() === 0;
  const line = confined([QEMU, ...args], { resolvConf: isOpen ? files.resolvConf : null, limits, isRoot, runAs });
  await mkdir(files.own, { recursive: true, mode: 0o700 });
  if (runAs !== null) await lchown(files.own, runAs, runAs);
  const log = await emptyLog(files.log);
  try {
    const [program = "", ...rest] = line;
    const cwd = files.own;
    if (!isOpen) return await start(program, rest, { cwd, detached: true, stdio: ["ignore", log.fd, log.fd] });
    await writeFile(files.resolvConf, RESOLV_CONF, { mode: 0o600 });
    if (runAs !== null) await lchown(files.resolvConf, runAs, runAs);
    const networkLog = await emptyLog(files.networkLog);
    try {
      return await startWithOwnNetwork(line, { cwd, logFd: log.fd, uplinkLogFd: networkLog.fd });
    } finally {
      await networkLog.close();
    }
  } finally {
    await log.close();
  }
}

/** What a QEMU that did not come up says about it. */
async function startFailure(name: string, files: RunDirFiles, cause: unknown): Promise<HomewardError> {
  const words = await logTail(files.log);
  if (words.includes("annot lock pid file"))
    return new HomewardError("CONFLICT", `${name} is running already`, { cause });
  if (/Failed to get .* lock/.test(words))
    return new HomewardError("CONFLICT", `a disk of ${name} is in use by another program: ${words}`, { cause });
  return new HomewardError("GUEST", `QEMU did not start for ${name}: ${words === "" ? "it printed nothing" : words}`, {
    cause,
    hint: `"homeward doctor" looks at this computer's QEMU; then start ${name} again.`,
  });
}

async function connectToChild(
  child: ChildProcess,
  files: RunDirFiles,
  signal: AbortSignal | undefined,
): Promise<QmpClient> {
  const gone = new AbortController();
  void exited(child).then((status) => {
    gone.abort(new HomewardError("GUEST", `QEMU ended with ${status}`));
  });
  const stop = signal === undefined ? gone.signal : AbortSignal.any([gone.signal, signal]);
  const timeout = { timeoutMs: START_TIMEOUT_MS, signal: stop };
  const socket = await withTimeout(connectWhenListening(files.qmp, stop), START_TIMEOUT_MS, "QEMU");
  const qmp = await QmpClient.open(socket, timeout);
  // The monitor greets before the devices exist; only a served command shows that all of them do.
  await qmp.execute("query-status", {}, timeout);
  return qmp;
}

/** A saved state is for the QEMU version that its definition names, and nothing in the state itself would tell. */
async function checkVersion(qmp: QmpClient, m: MachineDefinition, name: string): Promise<void> {
  const answer = await qmp.execute("query-version");
  const version = isJsonObject(answer) && isJsonObject(answer["qemu"]) ? answer["qemu"] : {};
  const found = `${String(version["major"])}.${String(version["minor"])}`;
  if (found !== m.qemuVersion)
    throw new HomewardError("INCOMPATIBLE", `the state of ${name} is for QEMU ${m.qemuVersion}, and this is ${found}`, {
      data: { wanted: m.qemuVersion, found },
    });
}

/** Errors that say all there is to say; for any other the log is asked. */
const CLEAR_CODES: ReadonlySet<string> = new Set(["CANCELLED", "TIMEOUT", "INCOMPATIBLE"]);

/**
 * Starts QEMU in a session of its own and connects to it. A fresh boot runs at once; with `incoming` it waits for
 * `loadDeviceState`.
 * @throws CONFLICT if the run folder's machine is running, its RAM file holds a state that would be lost, or its disk is
 * in use; INCOMPATIBLE if a state is to be loaded into another QEMU version; GUEST with QEMU's words if it does not come
 * up; ENVIRONMENT, USAGE, DAMAGED, NOT_FOUND, TIMEOUT, CANCELLED
 */
export async function startMachine(m: MachineDefinition, f: MachineFiles, signal?: AbortSignal): Promise<Machine> {
  const runAs = await unprivilegedId(f.runDir);
  const args = qemuArguments(m, f, runAs);
  const files = runDirFiles(f.runDir);
  await prepareRunDir(f.runDir);
  const running = await findLiving(files);
  if (running !== null)
    throw new HomewardError("CONFLICT", `${f.name} is running already`, { data: { pid: running.pid } });
  await checkLayers(f.diskLayers);
  await prepareRam(m, f);
  // Files of a dead QEMU are left for the new one to replace: were they removed here, two starts at the same moment
  // could each get a pid file of its own, and its lock is what lets only one of them through.
  // A machine without a network card needs no network.
  const network = hardwareOf(m).nic === "none" ? "blocked" : f.network;
  const child = await spawnQemu(args, files, { network, limits: f.limits ?? null, runAs });
  try {
    const qmp = await connectToChild(child, files, signal);
    if (f.incoming) await checkVersion(qmp, m, f.name);
    const identity = await readProcess(child.pid);
    if (identity === null) throw new HomewardError("GUEST", "QEMU ended right after its start");
    return new Machine(f.runDir, identity, qmp);
  } catch (error) {
    child.kill("SIGKILL");
    await exited(child);
    if (signal?.aborted === true) throw abortReason(signal);
    if (error instanceof HomewardError && CLEAR_CODES.has(error.code)) throw error;
    throw await startFailure(f.name, files, error);
  }
}

/**
 * Connects to the QEMU that an earlier process started for this run folder; `null`, after removing what it left, if it
 * is gone. Never starts one.
 * @throws TIMEOUT if QEMU lives but does not answer, as it does while another process is connected
 */
export async function adoptMachine(runDir: string): Promise<Machine | null> {
  const files = runDirFiles(runDir);
  const found = await findLiving(files);
  if (found === null) {
    await endUnfinishedStart(files);
    await removeStaleFiles(files);
    return null;
  }
  try {
    const qmp = await QmpClient.open(await connectUnix(files.qmp));
    return new Machine(runDir, found, qmp);
  } catch (error) {
    if ((await findLiving(files)) !== null) throw error;
    await removeStaleFiles(files);
    return null;
  }
}

