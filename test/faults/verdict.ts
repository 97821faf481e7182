import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { delay } from "../../common/abort.ts";
import { run } from "../../common/spawn.ts";
import { chainName } from "../../demo/verify/compare-disks.ts";
import { WORKSPACE } from "../e2e/migration-hosts.ts";
import { differences, leftovers, mayRun, processes, stateFiles, type HostRecord, type StateFiles } from "./audit.ts";
import type { Case } from "./plan.ts";
import { Rig, isQemu, type RigHost } from "./rig.ts";

const SETTLE_MS = 60_000;

export interface VerdictOptions {
  readonly source: RigHost;
  readonly flavour: "running" | "suspended";
  readonly fault: Case["fault"];
  /** A copy of what was suspended; null if the machine ran on before there was anything to copy. */
  readonly reference: StateFiles | null;
  /** For people, added to. */
  readonly notes: string[];
}

/** After these a machine that ran may stand still, suspended or off: its QEMU was killed, or could not be started. */
const MAY_STOP: readonly Case["fault"][] = [
  "kill QEMU",
  "kill new QEMU",
  "disk full, source",
  "disk full, destination",
  "power cut, source",
  "power cut, destination",
];
/** After these another migration may have come, which does not start the machine. */
const MAY_BE_HELD: readonly Case["fault"][] = ["late frames", "second session"];

/** What has to be true of both hosts after a fault. */
export class Verdict {
  readonly #rig: Rig;
  readonly #source: RigHost;
  readonly #destination: RigHost;
  readonly #options: VerdictOptions;

  constructor(rig: Rig, options: VerdictOptions) {
    this.#rig = rig;
    this.#source = options.source;
    this.#destination = rig.other(options.source);
    this.#options = options;
  }

  /** Waits until nothing is under way any more, then looks at everything. Returns the workspace's state. */
  async reach(): Promise<string> {
    await this.#settle();
    const { flavour, fault } = this.#options;
    const now = owner(this.#rig);
    const moved = now !== this.#source;
    const record = now.record();
    if (moved) await this.#requireSame(record);
    else if (record.state === "suspended" && this.#options.reference !== null)
      this.#require("the suspended state", await differences(this.#options.reference, stateFiles(now.service.state, WORKSPACE, record, record.resumeFrom === "generation" ? "generation" : "saved")));
    if (flavour === "suspended" && record.state !== "suspended" && !moved) throw new Error(`it was suspended and is ${record.state}`);
    if (flavour === "running" && record.state !== "running" && ![...MAY_STOP, ...MAY_BE_HELD].includes(fault))
      throw new Error(`it ran and is ${record.state}`);
    // That a machine runs, too, shows when the next fault is prepared.
    if (record.state === "off") await this.#startFromDisk(now, record);
    else if (record.state !== "suspended" && record.state !== "running") throw new Error(`it is ${record.state}`);
    return record.state;
  }

  /** Both hosts hold the generation, and it is what the source had suspended. */
  async #requireSame(record: HostRecord): Promise<void> {
    const [source, destination] = [this.#source, this.#destination];
    const kept = source.record();
    if (kept.base !== record.base) throw new Error(`the hosts hold ${String(kept.base)} and ${String(record.base)}`);
    const there = stateFiles(destination.service.state, WORKSPACE, record, "generation");
    this.#require("the two hosts", await differences(stateFiles(source.service.state, WORKSPACE, kept, "generation"), there));
    if (this.#options.reference !== null) this.#require("what was suspended, and what arrived", await differences(this.#options.reference, there));
  }

  #require(what: string, problems: readonly string[]): void {
    if (problems.length > 0) throw new Error(`${what}: ${problems.join(", ")}`);
  }

  /** It was running when its QEMU died: it says so, its disk is as after a power cut, and it boots from that. */
  async #startFromDisk(host: RigHost, record: HostRecord): Promise<void> {
    if (record.note === null) throw new Error("it is off and nothing says why");
    const raw = join(this.#rig.dir, "crashed.raw");
    const { layers } = stateFiles(host.service.state, WORKSPACE, record, "saved");
    await run("qemu-img", ["convert", "-O", "raw", chainName(layers), raw]);
    // 1: the journal was replayed, which is what it is there for.
    await run("sh", ["-c", 'e2fsck -fy "$1" >/dev/null || [ $? = 1 ]', "sh", raw]);
    const { stdout } = await run("debugfs", ["-R", "cat /root/w", raw]);
    const last = Number(stdout.toString().trim().split("\n").at(-1));
    if (last !== this.#rig.written) throw new Error(`the guest had synced line ${String(this.#rig.written)}; its disk has ${String(last)}`);
    await rm(raw);
    await this.#rig.boot(host);
  }

  async #settle(): Promise<void> {
    const deadline = performance.now() + SETTLE_MS;
    let last: string[] = [];
    for (;;) {
      const open = await this.#unsettled().catch((error: unknown) => [String(error)]);
      if (open.length === 0) break;
      last = open;
      if (performance.now() > deadline) throw new Error(`not settled: ${open.join("; ")}`);
      await delay(60);
    }
    if (last.length > 0) this.#options.notes.push(`waited for: ${last.join("; ")}`);
  }

  /** What is still to come, or what should not be. */
  async #unsettled(): Promise<string[]> {
    const { hosts } = this.#rig;
    requireOneOwner(this.#rig);
    for (const host of hosts) if (!host.isUp) return [`the service of ${host.name} does not run`];
    const problems: string[] = [];
    for (const { record, name } of hosts.map((host) => ({ record: host.record(), name: host.name }))) {
      if (record.unfinished > 0) problems.push(`${name}: ${record.migration?.state ?? ""} migration`);
      if (record.state === "paused-for-migration") problems.push(`${name} is paused`);
    }
    if (hosts.filter((host) => mayRun(host.record())).length !== 1) problems.push("there is not one owner");
    for (const { service } of hosts) {
      const { state, doing } = await service.workspace();
      if (state === "busy") problems.push(`${service.name} is busy (${String(doing)})`);
    }
    if (problems.length > 0) return problems;
    for (const { service } of hosts) {
      const { postponed } = await service.call("gc", {});
      if (postponed) problems.push(`${service.name} has postponed its tidying`);
    }
    for (const host of hosts) problems.push(...(await this.#left(host)));
    return problems;
  }

  /** Files and processes that nothing accounts for. */
  async #left(host: RigHost): Promise<string[]> {
    const { service, runFolders, name } = host;
    const record = host.record();
    const found = (await leftovers(service.state, WORKSPACE, record)).map((file) => `${name} has left ${file}`);
    const runs = record.owner === null && record.state === "running";
    for (const dir of runFolders)
      for (const id of await readdir(dir).catch(() => [])) if (!runs || id !== record.workspaceId) found.push(`${dir}/${id} is left`);
    const known = new Set([process.pid, ...this.#rig.hosts.flatMap((each) => (each.service.pid === undefined ? [] : [each.service.pid]))]);
    const others = (await processes(known)).filter(({ args }) => args.some((arg) => arg.includes(service.state) || runFolders.some((dir) => arg.includes(dir))));
    const machines = others.filter(({ args }) => isQemu(args) && args.some((arg) => arg === `guest=${WORKSPACE}`));
    for (const { pid, args } of others.filter((one) => !machines.includes(one))) found.push(`process ${String(pid)} is left: ${args.join(" ").slice(0, 200)}`);
    if (machines.length !== (runs ? 1 : 0)) found.push(`${name} has ${String(machines.length)} QEMUs and the workspace is ${record.state}`);
    return found;
  }
}

/** @throws Error if both hosts may run the workspace */
export function requireOneOwner(rig: Rig): void {
  const owners = rig.hosts.filter((host) => mayRun(host.record()));
  if (owners.length > 1) throw new Error(`both hosts may run it: ${JSON.stringify(rig.hosts.map((host) => host.record()))}`);
}

/** The one host that may run the workspace. @throws Error if there is not one */
export function owner(rig: Rig): RigHost {
  const found = rig.hosts.filter((host) => mayRun(host.record()));
  const [only] = found;
  if (only === undefined || found.length > 1) throw new Error(`${String(found.length)} hosts may run it`);
  return only;
}
