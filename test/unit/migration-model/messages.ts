import { asDestinationState, asSourceState } from "../../../service/migration/states.ts";
import type { Turn } from "./turn.ts";
import { copyDisk, GARBAGE, isOver, other, type Name, type World } from "./world.ts";

/** Messages that the source of an attempt sends; the others are the destination's. */
const FROM_SOURCE = new Set(["offer", "index", "residual", "release", "released", "kept", "unknown", "fence"]);

/** What this host does when `message` arrives; false when it is not due, so that nothing happens. */
export function receive(turn: Turn, message: string, attempt: string): boolean {
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
export function hearer({ attempts }: World, message: string, attempt: string): Name | null {
  const isFence = message === "fence" || message === "fenced";
  const source = isFence ? (Number(attempt) % 2 === 0 ? "A" : "B") : attempts[Number(attempt) - 1];
  if (source === undefined) return null;
  return FROM_SOURCE.has(message) ? other(source) : source;
}
