import { asDestinationState, asSourceState, nextSourceState } from "../../../service/migration/states.ts";
import type { Model, Transition } from "../model-checker.ts";
import { isSettled, wrong } from "./invariants.ts";
import { Keys } from "./keys.ts";
import { hearer, receive } from "./messages.ts";
import type { Rules } from "./rules.ts";
import { Turn } from "./turn.ts";
import { host, isOver, NAMES, type Bounds, type Host, type Name, type World } from "./world.ts";

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
    for (const loss of bounds.losses)
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

/**
 * Two hosts that move one workspace between them, with everything that they decide taken from the service itself (`Rules`).
 * What was said stays said: it can arrive late, any number of times, after what was said later, or never. A host can crash
 * between any two steps, in two ways: "killed" leaves what was written, a power cut only what was synced.
 */
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
