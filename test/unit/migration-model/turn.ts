import type { Order } from "../../../service/migration/orders.ts";
import { asDestinationState, asSourceState, type DestinationEvent, type SourceEvent } from "../../../service/migration/states.ts";
import type { Rules } from "./rules.ts";
import { asEpoch, copyDisk, copyHost, GARBAGE, isOver, other, type Database, type Host, type Loss, type Name, type World } from "./world.ts";

/** One host at one moment, while a transition is worked out. */
export class Turn {
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
  crash(loss: Loss): void {
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
