import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { delay } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import { run } from "../../common/spawn.ts";
import { chainName } from "../../demo/verify/compare-disks.ts";
import { WORKSPACE } from "../e2e/migration-hosts.ts";
import { copyState, differences, leftovers, mayRun, processes, stateFiles, type HostRecord, type StateFiles } from "./audit.ts";
import { NOTHING_KILLED, WHILE_GOING_ON, inject, type Afterwards, type Scene } from "./inject.ts";
import type { FrameName } from "../../protocol/wire.ts";
import type { Case, Moment } from "./plan.ts";
import { beginWatching } from "./power-cut.ts";
import { Rig, isQemu, type RigHost } from "./rig.ts";

const REACH_MS = 45_000;
const END_MS = 150_000;
const SETTLE_MS = 60_000;

export interface CaseResult {
  /** False if what the fault needs did not come about: then it proves nothing and does not count. */
  readonly struck: boolean;
  readonly outcome: "moved" | "stayed";
  /** The workspace's state in the end. */
  readonly state: string;
  readonly seconds: number;
  readonly notes: readonly string[];
}

/** Damage to other frames without which none of that kind is sent. */
const PROVOKED_BY: Readonly<Partial<Record<FrameName, readonly FrameName[]>>> = {
  treeQuery: ["residual"],
  treeHashes: ["residual"],
  refetch: ["residual"],
  deviceAgain: ["device"],
};

/** What the workspace was like before. */
interface Before {
  readonly flavour: "running" | "suspended";
  readonly root: string | null;
}

/** One fault on the rig, from a healthy workspace to a healthy workspace. @throws Error if anything is not as it has to be */
export class CaseRun {
  readonly #rig: Rig;
  readonly #case: Case;
  readonly #random: () => number;
  readonly #source: RigHost;
  readonly #destination: RigHost;
  readonly #notes: string[] = [];
  #reference: StateFiles | null = null;

  constructor(rig: Rig, one: Case, random: () => number) {
    this.#rig = rig;
    this.#case = one;
    this.#random = random;
    this.#source = owner(rig);
    this.#destination = rig.other(this.#source);
  }

  get #frame(): FrameName | null {
    return this.#case.fault === "damage" ? this.#case.frame : null;
  }

  get #moment(): Moment {
    if (this.#case.fault !== "damage") return this.#case.moment;
    return this.#frame === "query" || this.#frame === "verdict" ? "destination:prepared" : "any";
  }

  async run(): Promise<CaseResult> {
    const began = performance.now();
    const before = await this.#prepare();
    if (this.#case.fault.startsWith("power cut"))
      for (const { service, aside } of this.#rig.hosts) await beginWatching(service.state, aside);
    for (const { line } of this.#rig.hosts) line.mend();
    const preparedMs = performance.now();
    const struck = await this.#strike(before);
    const struckMs = performance.now();
    const state = await this.#verdict(before);
    const outcome = owner(this.#rig) === this.#source ? "stayed" : "moved";
    const parts = [began, preparedMs, struckMs, performance.now()].map((ms, index, all) => (ms - (all[index - 1] ?? ms)) / 1000);
    this.#notes.push(`prepared, struck, settled in ${parts.slice(1).map((s) => s.toFixed(1)).join(" + ")} s`);
    return { struck, outcome, state, seconds: (performance.now() - began) / 1000, notes: this.#notes };
  }

  /** The workspace has something that the other host lacks, and runs or is suspended. */
  async #prepare(): Promise<Before> {
    const source = this.#source;
    const { state, resumeFrom } = source.record();
    const isNew = state === "suspended" && resumeFrom === "saved";
    const needsRunning = this.#case.fault === "kill QEMU" || this.#case.fault === "kill new QEMU";
    const flavour = needsRunning || this.#random() < 0.5 ? "running" : "suspended";
    if (flavour === "running" || !isNew) {
      if (state !== "running") await source.service.call("start", { workspace: WORKSPACE });
      await this.#rig.work(source);
    }
    if (flavour === "suspended") {
      if (source.record().state === "running") await source.service.call("suspend", { workspace: WORKSPACE });
      await this.#refer("saved");
    }
    return { flavour, root: source.record().base };
  }

  /** Puts a copy of the source's present state aside, to compare with what comes out. */
  async #refer(what: "saved" | "generation"): Promise<void> {
    const files = stateFiles(this.#source.service.state, WORKSPACE, this.#source.record(), what);
    this.#reference = await copyState(files, join(this.#rig.dir, "reference"));
  }

  async #strike({ flavour }: Before): Promise<boolean> {
    const [source, destination, random] = [this.#source, this.#destination, this.#random];
    const stop = new AbortController();
    const over = new AbortController();
    const { fault } = this.#case;
    const needsReplay = this.#moment === "destination:replaying" || fault === "kill twin" || (fault === "damage" && /^log/.test(this.#case.frame));
    const mode = needsReplay || random() < 0.1 ? "replay" : "overlay";
    const [role] = this.#moment.split(":");
    const stopped = role === "source" ? source : destination;
    const reached = this.#moment === "any" ? this.#anyMoment(over.signal) : stopped.stopsAt(this.#moment, over.signal);
    reached.catch(() => undefined);
    if (fault === "damage") this.#armDamage();
    await delay(0);
    const migration = source.service
      .call("migrate", { workspace: WORKSPACE, peer: destination.name, mode, hold: flavour === "suspended" }, { signal: stop.signal })
      .then(
        (report) => `arrived${report.notes.length > 0 ? ` (${report.notes.join("; ")})` : ""}`,
        (error: unknown) => (error instanceof HomewardError ? `${error.code}: ${error.message}` : String(error)),
      );
    const timer = setTimeout(() => {
      over.abort(new Error(`${this.#moment} was not reached`));
    }, REACH_MS);
    const isReached = await Promise.race([
      reached.then(() => true, () => false),
      migration.then(() => delay(100)).then(() => false),
    ]);
    clearTimeout(timer);
    over.abort(new Error("the migration ended before"));
    let afterwards: Afterwards = () => Promise.resolve([]);
    if (isReached) {
      const isSaved = source.record().state === "paused-for-migration" && this.#reference === null;
      if (isSaved && this.#moment !== "any") await this.#refer("saved");
      this.#requireOneOwner();
      const scene: Scene = { moment: this.#moment, source, destination, random };
      if (fault !== "damage" && WHILE_GOING_ON.includes(fault)) this.#goOn(stopped);
      if (fault !== "damage") afterwards = await inject(fault, scene);
      // After a kill the destination has to ask.
      else if (this.#moment !== "any") afterwards = await inject("kill destination", scene);
      else if (this.#frame === "abort") setTimeout(() => { stop.abort(); }, random() * 500);
    }
    this.#goOn(stopped);
    const said = await Promise.race([migration, delay(END_MS).then(() => "it did not end")]);
    this.#notes.push(said);
    if (said === "it did not end") throw new Error("the migration did not come to an end");
    this.#notes.push(...(await afterwards()));
    const isDamaged = fault !== "damage" || !this.#rig.hosts.every(({ line }) => line.damages.some((one) => one.frame === this.#frame));
    for (const { line } of this.#rig.hosts) line.mend();
    return isReached && isDamaged && !this.#notes.includes(NOTHING_KILLED);
  }

  async #anyMoment(signal: AbortSignal): Promise<void> {
    await delay(this.#case.fault === "damage" ? 0 : this.#random() * 1200, signal);
  }

  #armDamage(): void {
    if (this.#case.fault !== "damage") return;
    const frames: FrameName[] = [this.#case.frame, ...(PROVOKED_BY[this.#case.frame] ?? [])];
    const damages = frames.map((frame) => ({ frame, at: this.#random(), bit: Math.floor(this.#random() * 8) }));
    for (const { line } of this.#rig.hosts) line.damages = [...damages];
  }

  #goOn({ service }: RigHost): void {
    if (this.#moment !== "any" && service.pid !== undefined) process.kill(service.pid, "SIGCONT");
  }

  #requireOneOwner(): void {
    const owners = this.#rig.hosts.filter((host) => mayRun(host.record()));
    if (owners.length > 1) throw new Error(`both hosts may run it: ${JSON.stringify(this.#rig.hosts.map((host) => host.record()))}`);
  }

  /** Waits until nothing is under way any more, then looks at everything. Returns the workspace's state. */
  async #verdict(before: Before): Promise<string> {
    await this.#settle();
    const now = owner(this.#rig);
    const moved = now !== this.#source;
    const record = now.record();
    if (moved) await this.#requireSame(record);
    else if (record.state === "suspended" && this.#reference !== null)
      this.#require("the suspended state", await differences(this.#reference, stateFiles(now.service.state, WORKSPACE, record, record.resumeFrom === "generation" ? "generation" : "saved")));
    if (before.flavour === "suspended" && record.state !== "suspended" && !moved) throw new Error(`it was suspended and is ${record.state}`);
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
    if (this.#reference !== null) this.#require("what was suspended, and what arrived", await differences(this.#reference, there));
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
    if (last.length > 0) this.#notes.push(`waited for: ${last.join("; ")}`);
  }

  /** What is still to come, or what should not be. */
  async #unsettled(): Promise<string[]> {
    const { hosts } = this.#rig;
    this.#requireOneOwner();
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

/** The one host that may run the workspace. @throws Error if there is not one */
export function owner(rig: Rig): RigHost {
  const found = rig.hosts.filter((host) => mayRun(host.record()));
  const [only] = found;
  if (only === undefined || found.length > 1) throw new Error(`${String(found.length)} hosts may run it`);
  return only;
}
