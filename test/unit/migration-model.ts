import * as decisions from "../../service/migration/decisions.ts";
import type { Epoch } from "../../protocol/epoch.ts";
import { ORDERS, type Order } from "../../service/migration/orders.ts";
import {
  asDestinationState,
  asSourceState,
  nextDestinationState,
  nextSourceState,
  type DestinationEvent,
  type SourceEvent,
} from "../../service/migration/states.ts";
import { FINAL_MIGRATION_STATES } from "../../service/store/migrations-table.ts";
import type { Model, Transition } from "./model-checker.ts";

/**
 * Two hosts that move one workspace between them, with everything that they decide taken from the service itself (`Rules`).
 * What was said stays said: it can arrive late, any number of times, after what was said later, or never. A host can crash
 * between any two steps, in two ways: "killed" leaves what was written, a power cut only what was synced.
 */
export type Name = "A" | "B";

export interface Rules extends Pick<
  typeof decisions,
  "onEpoch" | "verdictOf" | "onVerdict" | "onRelease" | "onTaken" | "mayGoOn" | "sourceAfterRestart" | "destinationAfterRestart" | "destinationAfterBreak"
> {
  readonly nextSourceState: typeof nextSourceState;
  readonly nextDestinationState: typeof nextDestinationState;
  readonly orders: Readonly<Record<Order, readonly string[]>>;
  /** What is synced before the next step. */
  readonly syncs: {
    readonly files: boolean;
    readonly record: boolean;
    /** What a killed service wrote and did not come to sync is read by the next one, which must not act on it before. */
    readonly atStart: boolean;
  };
}

export const SERVICE_RULES: Rules = {
  ...decisions,
  nextSourceState,
  nextDestinationState,
  orders: ORDERS,
  syncs: { files: true, record: true, atStart: true },
};

const FINAL: ReadonlySet<string> = new Set(FINAL_MIGRATION_STATES);

/** Content of files that were not synced when the power went. */
const GARBAGE = -1;

interface Database {
  owner: Name;
  workspace: "runs" | "paused" | "still";
  /** 0, or 2 × number + which host began it. */
  epoch: number;
  /** The other host has still to be told of the takeover. */
  fencing: boolean;
  /** Work of the newest generation that is held here. */
  base: number;
  /** Work that was set aside because the other host took the workspace over. */
  returned: number[];
  /** State of this host's end of each attempt. */
  rows: Record<string, string>;
}
interface Files {
  /** Saved state of a machine that stands still; null before. */
  saved: number | null;
  /** What was built of each attempt. */
  built: Record<string, number>;
}
interface Disk {
  db: Database;
  files: Files;
}
interface Host {
  /** What the machine's disk and memory hold, each number being another piece of work. */
  content: number;
  written: Disk;
  synced: Disk;
  /** Steps under way, `step:attempt`. */
  todo: string[];
}
export interface World {
  hosts: Record<Name, Host>;
  /** Everything that was ever said, `message:attempt`. */
  said: string[];
  /** Source of each attempt. */
  attempts: Name[];
  /** The newest work. */
  head: number;
  /** The newest work of each epoch, as long as no later one goes on from it. */
  heads: Record<string, number>;
  /** In which epoch each attempt was begun. */
  epochs: number[];
  takeovers: number;
}

export interface Bounds {
  readonly attempts: number;
  readonly work: number;
  readonly takeovers: number;
}

function disk(owner: Name, workspace: Database["workspace"]): Disk {
  return { db: { owner, workspace, epoch: 0, fencing: false, base: 0, returned: [], rows: {} }, files: { saved: null, built: {} } };
}

function host(owner: Name, workspace: Database["workspace"]): Host {
  return { content: 0, written: disk(owner, workspace), synced: disk(owner, workspace), todo: [] };
}

/** A copy that shares nothing that is ever changed. */
function copyDisk({ db, files }: Disk): Disk {
  return { db: { ...db, rows: { ...db.rows } }, files: { ...files, built: { ...files.built } } };
}

function copyHost({ written, synced, todo, ...rest }: Host): Host {
  return { ...rest, written: copyDisk(written), synced: copyDisk(synced), todo: [...todo] };
}

function asEpoch(epoch: number): Epoch {
  return { number: Math.floor(epoch / 2), by: epoch === 0 ? null : epoch % 2 === 0 ? "a" : "b" };
}

export function other(name: Name): Name {
  return name === "A" ? "B" : "A";
}

const NAMES: readonly Name[] = ["A", "B"];
/** Messages that the source of an attempt sends; the others are the destination's. */
const FROM_SOURCE = new Set(["offer", "index", "residual", "release", "released", "kept", "unknown", "fence"]);

/** One host at one moment, while a transition is worked out. */
class Turn {
  readonly rules: Rules;
  readonly world: World;
  readonly name: Name;
  readonly me: Host;

  constructor(rules: Rules, before: World, name: Name) {
    this.rules = rules;
    this.name = name;
    this.me = copyHost(before.hosts[name]);
    const { hosts } = before;
    const mine = name === "A" ? { A: this.me, B: hosts.B } : { A: hosts.A, B: this.me };
    this.world = { ...before, hosts: mine };
  }

  get db(): Database {
    return this.me.written.db;
  }

  isSource(attempt: string): boolean {
    return this.world.attempts[Number(attempt) - 1] === this.name;
  }

  say(message: string, attempt: string): void {
    const said = `${message}:${attempt}`;
    if (!this.world.said.includes(said)) this.world.said = [...this.world.said, said].sort();
  }

  /** Adds an order of the service, step by step, and what each of them syncs. */
  begin(order: Order, attempt: string): void {
    for (const step of this.rules.orders[order]) this.add(`${order}.${step}`, attempt);
  }

  add(step: string, attempt: string): void {
    this.me.todo.push(`${step}:${attempt}`);
    const { files, record } = this.rules.syncs;
    if (files && step === "suspend.save") this.me.todo.push("sync-files");
    if (step === "suspend.save") this.me.todo.push("pause:0");
    if (files && step === "prepare.install") this.me.todo.splice(-1, 0, "sync-files");
    if (record && /\.(record|save|install|go-on)$/.test(step)) this.me.todo.push("sync-record");
  }

  source(attempt: string, event: SourceEvent): boolean {
    const next = this.rules.nextSourceState(asSourceState(this.db.rows[attempt] ?? ""), event);
    if (next !== null) this.db.rows[attempt] = next;
    return next !== null;
  }

  destination(attempt: string, event: DestinationEvent): boolean {
    const next = this.rules.nextDestinationState(asDestinationState(this.db.rows[attempt] ?? ""), event);
    if (next !== null) this.db.rows[attempt] = next;
    return next !== null;
  }

  /** Does the first of the steps under way. */
  step(): void {
    const [step = "", attempt = ""] = (this.me.todo.shift() ?? "").split(":");
    const { written, synced } = this.me;
    switch (step) {
      case "sync-files":
        synced.files = copyDisk(written).files;
        return;
      case "sync-record":
        synced.db = copyDisk(written).db;
        return;
      case "begin.record":
        this.db.rows[attempt] = "offered";
        return;
      case "begin.say":
        this.say("offer", attempt);
        return;
      case "suspend.save":
        written.files.saved = this.me.content;
        return;
      case "pause":
        this.db.workspace = "paused";
        return;
      case "suspend.record":
        this.source(attempt, "suspend");
        return;
      case "release.record":
        this.source(attempt, "release");
        return;
      case "release.say":
        this.say("release", attempt);
        return;
      case "takeover.record":
        this.takeOver();
        return;
      case "fence.record":
        this.db.returned = [...this.db.returned, this.me.content];
        this.db.owner = other(this.name);
        this.db.workspace = "still";
        this.db.epoch = Number(attempt);
        this.db.fencing = false;
        return;
      case "fence.say":
        this.say("fenced", attempt);
        return;
      case "keep.install":
        this.db.base = written.files.saved ?? GARBAGE;
        this.db.owner = other(this.name);
        this.db.workspace = "still";
        return;
      case "keep.record":
        this.source(attempt, "peer-took");
        return;
      case "giveUp.record":
        this.source(attempt, "cancel");
        return;
      case "giveUp.go-on":
        if (this.rules.mayGoOn(asSourceState(this.db.rows[attempt] ?? ""))) this.goOn();
        return;
      case "prepare.install":
        this.destination(attempt, "prepare");
        return;
      case "prepare.say":
        this.say("prepared", attempt);
        return;
      case "take.record":
        // As in settlement.ts: the workspace is this host's in the same transaction.
        if (this.db.rows[attempt] === "prepared" && this.destination(attempt, "take")) {
          this.db.owner = this.name;
          this.db.workspace = "still";
          this.me.content = written.files.built[attempt] ?? GARBAGE;
          this.db.base = this.me.content;
        }
        return;
      case "take.say":
        this.say("taken", attempt);
        return;
      case "finish.record":
        if (this.destination(attempt, "finish") && this.db.owner === this.name) this.db.workspace = "runs";
        return;
      case "drop.record":
        if (!this.destination(attempt, "drop")) this.destination(attempt, "source-kept");
        return;
      case "restart.record":
        this.recover(attempt);
        return;
      case "resume.record":
        if (this.isStandingStill()) this.goOn();
        return;
    }
  }

  /** As in takeover.ts: one transaction with whatever it ends. */
  takeOver(): void {
    const { db, me, world } = this;
    const [attempt, state] = Object.entries(db.rows).find(([, each]) => !isOver(each)) ?? ["0", ""];
    if (state === "prepared") {
      this.destination(attempt, "take-over");
      me.content = me.written.files.built[attempt] ?? GARBAGE;
    } else if (state === "released") this.source(attempt, "take-over");
    else me.content = db.base;
    db.owner = this.name;
    db.workspace = "runs";
    db.epoch = 2 * (Math.floor(db.epoch / 2) + 1) + (this.name === "A" ? 0 : 1);
    db.fencing = true;
    const goesOn = Object.entries(world.heads).filter(([, head]) => head !== me.content);
    world.heads = { ...Object.fromEntries(goesOn), [db.epoch]: me.content };
    me.synced = copyDisk(me.written);
    if (state === "prepared") {
      this.begin("take", attempt);
      this.add("finish.record", attempt);
    }
  }

  /** What this host makes of the other's epoch, as in takeover.ts; true when it can go on. */
  heed(theirs: number): boolean {
    const { db } = this;
    const decided = this.rules.onEpoch({ isOwner: db.owner === this.name, epoch: asEpoch(db.epoch) }, asEpoch(theirs));
    if (decided === "fence-them" && db.owner === this.name) this.say("fence", String(db.epoch));
    if (decided === "same") return true;
    if (decided === "fence-them" || Object.values(db.rows).some((state) => !isOver(state))) return false;
    if (decided === "fenced") this.add("fence.record", String(theirs));
    else {
      db.owner = other(this.name);
      db.epoch = theirs;
      this.me.synced.db = copyDisk(this.me.written).db;
    }
    return true;
  }

  /** As at the end of recovery.ts. */
  isStandingStill(): boolean {
    const { owner, workspace, rows } = this.db;
    const unfinished = Object.entries(rows).some(([attempt, state]) => this.isSource(attempt) && !isOver(state));
    return owner === this.name && workspace === "paused" && !unfinished;
  }

  goOn(): void {
    if (this.db.workspace === "paused") this.db.workspace = "runs";
  }

  recover(attempt: string): void {
    const { rows } = this.db;
    const text = rows[attempt] ?? "";
    if (this.isSource(attempt)) rows[attempt] = this.rules.sourceAfterRestart(asSourceState(text)).state;
    else {
      const { state, then } = this.rules.destinationAfterRestart(asDestinationState(text));
      rows[attempt] = state;
      if (then === "finish") {
        this.begin("take", attempt);
        this.add("finish.record", attempt);
      }
    }
  }

  #restart(): void {
    if (this.rules.syncs.atStart) this.me.todo.push("sync-record");
    for (const [attempt, state] of Object.entries(this.db.rows))
      if (!isOver(state)) this.add("restart.record", attempt);
    if (this.db.workspace === "paused") this.add("resume.record", "0");
  }

  /** A host that is down is one that has not done the first step of its restart. */
  crash(loss: "killed" | "power cut"): void {
    const { me } = this;
    me.todo = [];
    if (loss === "power cut") {
      me.written = copyDisk(me.synced);
      const { workspace } = me.written.db;
      if (workspace === "paused") me.content = me.written.files.saved ?? GARBAGE;
    }
    this.#restart();
  }
}

/** Nothing is left to be done about an attempt in this state. */
function isOver(state: string): boolean {
  return FINAL.has(state);
}

/** What this host does when `message` arrives; false when it is not due, so that nothing happens. */
function receive(turn: Turn, message: string, attempt: string): boolean {
  const { rules, db, me } = turn;
  const state = db.rows[attempt];
  switch (message) {
    case "offer": {
      if (state !== undefined) return false;
      const said = turn.world.said.length;
      const theirs = turn.world.epochs[Number(attempt) - 1] ?? 0;
      const outdated = db.epoch;
      if (!turn.heed(theirs)) return turn.world.said.length > said;
      if (me.todo.length > 0 || db.epoch !== outdated) return true;
      if (db.owner === turn.name) return false;
      if (Object.values(db.rows).some((row) => !isOver(row))) return false;
      db.rows[attempt] = "accepted";
      me.synced.db = copyDisk(me.written).db;
      turn.say("accept", attempt);
      return true;
    }
    case "accept":
      if (state !== "offered") return false;
      turn.begin("suspend", attempt);
      return true;
    case "index":
      if (state !== "accepted" || !turn.destination(attempt, "resolve") || !turn.destination(attempt, "build")) return false;
      turn.say("need", attempt);
      return true;
    case "need":
      if (state !== "indexed" || !turn.source(attempt, "ship")) return false;
      turn.say("residual", attempt);
      return true;
    case "residual":
      if (state !== "building") return false;
      me.written.files.built[attempt] = turn.world.hosts[other(turn.name)].written.files.saved ?? GARBAGE;
      me.synced.files.built[attempt] = GARBAGE;
      turn.begin("prepare", attempt);
      return true;
    case "prepared":
      if (state !== "shipping" || !turn.source(attempt, "peer-prepared")) return false;
      turn.begin("release", attempt);
      return true;
    case "fence": {
      const epoch = Number(attempt);
      if (epoch === db.epoch && db.owner !== turn.name) {
        if (turn.world.said.includes(`fenced:${attempt}`)) return false;
        turn.say("fenced", attempt);
        return true;
      }
      if (!turn.heed(epoch) || db.epoch > epoch) return false;
      turn.add("fence.say", attempt);
      return true;
    }
    case "fenced":
      if (!db.fencing || db.epoch !== Number(attempt)) return false;
      db.fencing = false;
      me.synced.db = copyDisk(me.written).db;
      return true;
    case "release":
      return hearReleased(turn, attempt);
    case "taken": {
      if (state === undefined || rules.onTaken(asSourceState(state)) !== "keep") return false;
      turn.begin("keep", attempt);
      return true;
    }
    case "query": {
      const verdict = rules.verdictOf(state === undefined ? null : asSourceState(state));
      if (verdict !== "undecided") turn.say(verdict, attempt);
      return verdict !== "undecided";
    }
    case "released":
    case "kept":
    case "unknown": {
      const decided = rules.onVerdict(message);
      if (decided === "take") return hearReleased(turn, attempt);
      if (decided === "ask-again" || state === undefined) return false;
      if (rules.nextDestinationState(asDestinationState(state), "source-kept") === null || state === "dropped") return false;
      turn.add("drop.record", attempt);
      return true;
    }
  }
  return false;
}

function hearReleased(turn: Turn, attempt: string): boolean {
  const state = turn.db.rows[attempt];
  if (state === undefined) return false;
  const decided = turn.rules.onRelease(asDestinationState(state));
  if (decided === "refuse" || (decided === "repeat" && turn.world.said.includes(`taken:${attempt}`))) return false;
  turn.begin("take", attempt);
  turn.add("finish.record", attempt);
  return true;
}

/** Who gets a message. Of a fence the number is that of the epoch. */
function hearer({ attempts }: World, message: string, attempt: string): Name | null {
  const isFence = message === "fence" || message === "fenced";
  const source = isFence ? (Number(attempt) % 2 === 0 ? "A" : "B") : attempts[Number(attempt) - 1];
  if (source === undefined) return null;
  return FROM_SOURCE.has(message) ? other(source) : source;
}

function nextOf(rules: Rules, bounds: Bounds, before: World): Transition<World>[] {
  const found: Transition<World>[] = [];
  const consider = (name: Name, what: string, isCertain: boolean, work: (turn: Turn) => boolean | undefined): void => {
    const turn = new Turn(rules, before, name);
    if (work(turn) !== false) found.push({ name: `${name}: ${what}`, isCertain, to: turn.world });
  };
  const act = (name: Name, what: string, isCertain: boolean, work: (turn: Turn) => unknown): void => {
    consider(name, what, isCertain, (turn) => {
      work(turn);
      return true;
    });
  };
  for (const name of NAMES) {
    const me = before.hosts[name];
    for (const loss of ["killed", "power cut"] as const)
      act(name, loss, false, (turn) => {
        turn.crash(loss);
      });
    for (const said of before.said) {
      const [message = "", attempt = ""] = said.split(":");
      if (hearer(before, message, attempt) !== name) continue;
      // Questions are answered while something else is under way, but never in the middle of a transaction.
      if (me.todo.length > 0 && (message !== "query" || me.todo[0]?.startsWith("sync-record") === true)) continue;
      consider(name, `hears ${said}`, true, (turn) => receive(turn, message, attempt));
    }
    if (me.todo.length > 0) {
      act(name, `does ${me.todo[0] ?? ""}`, true, (turn) => {
        turn.step();
      });
      continue;
    }
    whatItDoesByItself(name, me, before, rules, { consider, act });
    whatUsersDo(name, me, before, bounds, act);
  }
  return found;
}

interface Ways {
  readonly consider: (name: Name, what: string, isCertain: boolean, work: (turn: Turn) => boolean | undefined) => void;
  readonly act: (name: Name, what: string, isCertain: boolean, work: (turn: Turn) => unknown) => void;
}

function whatItDoesByItself(name: Name, me: Host, { attempts }: World, rules: Rules, { act }: Ways): void {
  const { fencing, epoch } = me.written.db;
  if (fencing)
    act(name, "tells of the takeover", true, (turn) => {
      turn.say("fence", String(epoch));
    });
  for (const [attempt, state] of Object.entries(me.written.db.rows)) {
    if (attempts[Number(attempt) - 1] === name) {
      if (state === "suspended")
        act(name, `index ${attempt}`, true, (turn) => {
          turn.source(attempt, "index");
          turn.say("index", attempt);
        });
      if (nextSourceState(asSourceState(state), "cancel") !== null && !isOver(state))
        act(name, `gives up ${attempt}: cancelled, or the link broke`, true, (turn) => {
          turn.begin("giveUp", attempt);
        });
      continue;
    }
    const broken = isOver(state) ? "nothing" : rules.destinationAfterBreak(asDestinationState(state));
    if (broken === "drop")
      act(name, `drops ${attempt}: the link broke`, true, (turn) => {
        turn.add("drop.record", attempt);
      });
    if (broken === "ask")
      act(name, `asks about ${attempt}`, true, (turn) => {
        turn.say("query", attempt);
      });
  }
}

function whatUsersDo(name: Name, me: Host, world: World, bounds: Bounds, act: Ways["act"]): void {
  const { owner, workspace, rows } = me.written.db;
  const open = Object.values(rows).filter((state) => !isOver(state));
  const mayTakeOver = open.every((state) => state === "prepared" || state === "released") && (owner !== name || open.includes("released"));
  if (mayTakeOver && world.takeovers < bounds.takeovers)
    act(name, "user takes over", false, (turn) => {
      turn.world.takeovers++;
      turn.add("takeover.record", "0");
    });
  if (owner !== name || workspace !== "runs" || Object.values(rows).some((state) => !isOver(state))) return;
  if (world.head < bounds.work)
    act(name, "user works", false, (turn) => {
      turn.world.head++;
      turn.me.content = turn.world.head;
      turn.world.heads = { ...turn.world.heads, [turn.db.epoch]: turn.world.head };
    });
  if (world.attempts.length < bounds.attempts)
    act(name, "user migrates", false, (turn) => {
      turn.world.attempts = [...turn.world.attempts, name];
      turn.world.epochs = [...turn.world.epochs, turn.db.epoch];
      const attempt = String(turn.world.attempts.length);
      turn.add("begin.record", attempt);
      turn.add("begin.say", attempt);
    });
}

/** Whether this host runs the workspace or would, by what it has on disk. */
export function mayRun(world: World, name: Name, { db }: Disk): boolean {
  return (
    db.owner === name &&
    !Object.entries(db.rows).some(([attempt, state]) => world.attempts[Number(attempt) - 1] === name && state === "released")
  );
}

/** What must never be. */
export function wrong(world: World): string | null {
  const { A, B } = world.hosts;
  for (const at of ["written", "synced"] as const)
    if (mayRun(world, "A", A[at]) && mayRun(world, "B", B[at]) && A[at].db.epoch === B[at].db.epoch) return `two owners (${at})`;
  for (const said of world.said) {
    const [message = "", attempt = ""] = said.split(":");
    const source = world.attempts[Number(attempt) - 1] ?? "A";
    const { db } = world.hosts[source].synced;
    const given = db.rows[attempt] ?? "";
    const tookBack = given === "cancelled" && db.epoch > (world.epochs[Number(attempt) - 1] ?? 0);
    if ((message === "release" || message === "released") && !["released", "done"].includes(given) && !tookBack)
      return `the release of ${attempt} was said and is not on record`;
    const had = world.hosts[other(source)].synced.db.rows[attempt] ?? "";
    if (message === "prepared" && !["prepared", "taken", "done", "dropped"].includes(had))
      return `${attempt} was said to be prepared and is not on record`;
    if (message === "taken" && !["taken", "done"].includes(had)) return `${attempt} was said to be taken and is not on record`;
  }
  for (const epoch in world.heads) if (!isSomewhere(world, Number(epoch), world.heads[epoch] ?? 0)) return `the newest work of epoch ${epoch} is nowhere`;
  return null;
}

/**
 * The newest work of an epoch must be where the workspace is in that epoch; between release and take that is in what the
 * destination prepared, and after a takeover it may have been set aside.
 */
function isSomewhere(world: World, epoch: number, head: number): boolean {
  const disks = NAMES.map((name) => world.hosts[name].synced);
  if (disks.some(({ db }) => db.returned.includes(head))) return true;
  const owner = NAMES.find((name) => mayRun(world, name, world.hosts[name].synced) && world.hosts[name].synced.db.epoch === epoch);
  if (owner !== undefined) return world.hosts[owner].content === head;
  return world.attempts.some((source, index) => {
    const attempt = String(index + 1);
    const { db, files } = world.hosts[other(source)].synced;
    return db.rows[attempt] === "prepared" && files.built[attempt] === head;
  });
}

export function isSettled(world: World): boolean {
  return (
    NAMES.every((name) => {
      const { todo, written } = world.hosts[name];
      return todo.length === 0 && !written.db.fencing && Object.values(written.db.rows).every((state) => isOver(state));
    }) && NAMES.filter((name) => mayRun(world, name, world.hosts[name].written) && world.hosts[name].written.db.workspace === "runs").length === 1
  );
}

function keyOfDisk({ db, files }: Disk): string {
  let key = `${db.owner}${db.workspace} ${files.saved ?? ""} ${db.epoch} ${db.fencing ? 1 : 0} ${db.base} ${db.returned.join("+")}`;
  for (const attempt in db.rows) key += ` ${attempt}${db.rows[attempt] ?? ""}`;
  for (const attempt in files.built) key += ` ${attempt}:${files.built[attempt] ?? ""}`;
  return key;
}

function keyOfHost({ content, written, synced, todo }: Host): string {
  return `${content}|${keyOfDisk(written)}|${keyOfDisk(synced)}|${todo.join()}`;
}

/** Numbers for what hosts are found in: of a new world most is known already, and comparing it in full takes long. */
class Keys {
  readonly #numbers = new Map<string, number>();
  readonly #hosts = new WeakMap<Host, number>();

  #number(text: string): number {
    const number = this.#numbers.get(text) ?? this.#numbers.size;
    this.#numbers.set(text, number);
    return number;
  }

  #ofHost(host: Host): number {
    const number = this.#hosts.get(host) ?? this.#number(keyOfHost(host));
    this.#hosts.set(host, number);
    return number;
  }

  of({ hosts, said, attempts, head, heads, epochs, takeovers }: World): string {
    const rest = `${said.join()} ${attempts.join("")} ${epochs.join()} ${JSON.stringify(heads)} ${takeovers}`;
    return [this.#ofHost(hosts.A), this.#ofHost(hosts.B), this.#number(rest), head].join();
  }
}

export function twoHosts(rules: Rules, bounds: Bounds): Model<World> {
  const keys = new Keys();
  return {
    key: (world) => keys.of(world),
    start: { hosts: { A: host("A", "runs"), B: host("A", "still") }, said: [], attempts: [], head: 0, heads: { 0: 0 }, epochs: [], takeovers: 0 },
    next: (world) => nextOf(rules, bounds, world),
    wrong,
    isFinal: isSettled,
  };
}
