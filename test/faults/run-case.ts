import { join } from "node:path";
import { delay } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import type { FrameName } from "../../protocol/wire.ts";
import { WORKSPACE } from "../e2e/migration-hosts.ts";
import { copyState, stateFiles, type StateFiles } from "./audit.ts";
import { NOTHING_KILLED, WHILE_GOING_ON, inject, type Afterwards, type Scene } from "./inject.ts";
import type { Case, Moment } from "./plan.ts";
import { beginWatching } from "./power-cut.ts";
import { Rig, type RigHost } from "./rig.ts";
import { Verdict, owner, requireOneOwner } from "./verdict.ts";

const REACH_MS = 120_000;
const END_MS = 150_000;

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

/** Faults that come with a second attempt. */
const AGAIN: readonly Case["fault"][] = ["late frames", "second session"];

type Flavour = "running" | "suspended";

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
    return this.#asks ? "destination:prepared" : "any";
  }

  /** It is a frame of what the destination asks for when it is started again. */
  get #asks(): boolean {
    return this.#frame === "query" || this.#frame === "verdict";
  }

  /** The frame that is to be damaged has not come yet. */
  get #isArmed(): boolean {
    return this.#rig.hosts.every(({ line }) => line.damages.some(({ frame }) => frame === this.#frame));
  }

  async run(): Promise<CaseResult> {
    const began = performance.now();
    const flavour = await this.#prepare();
    // Also where no power is cut: second names of what was removed long ago would fill the disks.
    for (const { service, aside } of this.#rig.hosts) await beginWatching(service.state, aside);
    for (const { line } of this.#rig.hosts) line.mend();
    const preparedMs = performance.now();
    const struck = await this.#strike(flavour);
    const struckMs = performance.now();
    const { fault } = this.#case;
    const told = { source: this.#source, flavour, fault, reference: this.#reference, notes: this.#notes };
    const state = await new Verdict(this.#rig, told).reach();
    const outcome = owner(this.#rig) === this.#source ? "stayed" : "moved";
    const parts = [began, preparedMs, struckMs, performance.now()].map((ms, index, all) => (ms - (all[index - 1] ?? ms)) / 1000);
    this.#notes.push(`prepared, struck, settled in ${parts.slice(1).map((s) => s.toFixed(1)).join(" + ")} s`);
    return { struck, outcome, state, seconds: (performance.now() - began) / 1000, notes: this.#notes };
  }

  /** The workspace has something that the other host lacks, and runs or is suspended. */
  async #prepare(): Promise<Flavour> {
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
    return flavour;
  }

  /** Puts a copy of the source's present state aside, to compare with what comes out. */
  async #refer(what: "saved" | "generation"): Promise<void> {
    const files = stateFiles(this.#source.service.state, WORKSPACE, this.#source.record(), what);
    this.#reference = await copyState(files, join(this.#rig.dir, "reference"));
  }

  async #strike(flavour: Flavour): Promise<boolean> {
    const [source, destination, random] = [this.#source, this.#destination, this.#random];
    const stop = new AbortController();
    const over = new AbortController();
    const { fault } = this.#case;
    const needsReplay = this.#moment === "destination:replaying" || fault === "kill twin" || (fault === "damage" && /^log/.test(this.#case.frame));
    const mode = needsReplay || random() < 0.1 ? "replay" : "overlay";
    const [role] = this.#moment.split(":");
    const stopped = role === "source" ? source : destination;
    if (this.#moment !== "any") await stopped.arm(this.#moment);
    const reached = this.#moment === "any" ? this.#anyMoment(over.signal) : stopped.stops(over.signal);
    reached.catch(() => undefined);
    if (fault === "damage") this.#armDamage();
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
      requireOneOwner(this.#rig);
      const scene: Scene = { moment: this.#moment, source, destination, random };
      if (fault !== "damage" && WHILE_GOING_ON.includes(fault)) this.#goOn(stopped);
      if (fault !== "damage") afterwards = await inject(fault, scene);
      // After a kill the destination has to ask.
      else if (this.#moment !== "any") afterwards = await inject("kill destination", scene);
      else if (this.#frame === "abort") setTimeout(() => { stop.abort(); }, random() * 500);
    }
    // Again and again: one that was told too early to go on would stand for ever.
    const goingOn = setInterval(() => { this.#goOn(stopped); }, 300);
    this.#goOn(stopped);
    const said = await Promise.race([migration, delay(END_MS).then(() => "it did not end")]);
    clearInterval(goingOn);
    this.#goOn(stopped);
    this.#notes.push(said);
    if (said === "it did not end") throw new Error("the migration did not come to an end");
    // It ran on at the source, so that what the next attempt suspends is another state.
    if (flavour === "running" && AGAIN.includes(fault) && !said.startsWith("arrived")) this.#reference = null;
    this.#notes.push(...(await afterwards()));
    if (this.#asks) for (let tries = 0; tries < 100 && this.#isArmed; tries++) await delay(50);
    const isDamaged = fault !== "damage" || !this.#isArmed;
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
}
