import { describe, expect, it } from "vitest";
import {
  DESTINATION_EVENTS,
  DESTINATION_STATES,
  SOURCE_EVENTS,
  SOURCE_STATES,
  isFinal,
  nextDestinationState,
  nextSourceState,
} from "../../service/migration/states.ts";
import { destinationMayRun, pairName, reachablePairs, sourceMayRun, successors } from "./migration-pairs.ts";

/** Every legal transition; all others are illegal. */
const SOURCE: readonly string[] = [
  "offered suspend suspended",
  "offered cancel cancelled",
  "offered restart cancelled",
  "suspended index indexed",
  "suspended cancel cancelled",
  "suspended restart cancelled",
  "indexed ship shipping",
  "indexed cancel cancelled",
  "indexed restart cancelled",
  "shipping peer-prepared prepared",
  "shipping cancel cancelled",
  "shipping restart cancelled",
  "prepared release released",
  "prepared measure done",
  "prepared cancel cancelled",
  "prepared restart cancelled",
  "released peer-took done",
  "released take-over cancelled",
  "released restart released",
  "done peer-took done",
  "done restart done",
  "cancelled cancel cancelled",
  "cancelled restart cancelled",
];

const DESTINATION: readonly string[] = [
  "accepted replay replaying",
  "accepted resolve resolving",
  "accepted drop dropped",
  "accepted source-kept dropped",
  "accepted restart dropped",
  "replaying resolve resolving",
  "replaying drop dropped",
  "replaying source-kept dropped",
  "replaying restart dropped",
  "resolving build building",
  "resolving drop dropped",
  "resolving source-kept dropped",
  "resolving restart dropped",
  "building prepare prepared",
  "building drop dropped",
  "building source-kept dropped",
  "building restart dropped",
  "prepared take taken",
  "prepared measure done",
  "prepared source-kept dropped",
  "prepared take-over taken",
  "prepared restart prepared",
  "taken take taken",
  "taken finish done",
  "taken restart taken",
  "done take done",
  "done finish done",
  "done restart done",
  "dropped drop dropped",
  "dropped source-kept dropped",
  "dropped restart dropped",
];

describe("the source's states", () => {
  const legal = new Map(SOURCE.map((line) => [line.split(" ").slice(0, 2).join(" "), line.split(" ")[2]]));
  for (const state of SOURCE_STATES)
    for (const event of SOURCE_EVENTS)
      it(`${state} + ${event} -> ${legal.get(`${state} ${event}`) ?? "illegal"}`, () => {
        expect(nextSourceState(state, event)).toBe(legal.get(`${state} ${event}`) ?? null);
      });
});

describe("the destination's states", () => {
  const legal = new Map(DESTINATION.map((line) => [line.split(" ").slice(0, 2).join(" "), line.split(" ")[2]]));
  for (const state of DESTINATION_STATES)
    for (const event of DESTINATION_EVENTS)
      it(`${state} + ${event} -> ${legal.get(`${state} ${event}`) ?? "illegal"}`, () => {
        expect(nextDestinationState(state, event)).toBe(legal.get(`${state} ${event}`) ?? null);
      });
});

describe("both sides together, with crashes and broken links at every moment", () => {
  const all = reachablePairs();

  it("never let two hosts run the workspace", () => {
    expect(all.filter((pair) => sourceMayRun(pair.source) && destinationMayRun(pair.destination))).toEqual([]);
  });

  it("never lose it: after a release the destination still holds it", () => {
    const lost = all.filter(({ source, destination }) => !sourceMayRun(source) && destination === "dropped");
    expect(lost).toEqual([]);
  });

  it("can always go on to exactly one owner", () => {
    for (const start of all) {
      const seen = new Set<string>();
      const next = [start];
      let ends = false;
      for (let pair = next.pop(); pair !== undefined && !ends; pair = next.pop()) {
        if (seen.has(pairName(pair))) continue;
        seen.add(pairName(pair));
        ends =
          isFinal(pair.source) &&
          isFinal(pair.destination) &&
          sourceMayRun(pair.source) !== destinationMayRun(pair.destination);
        next.push(...successors(pair));
      }
      expect(ends, pairName(start)).toBe(true);
    }
  });

  it("keep a released workspace from ever coming back to the source", () => {
    for (const pair of all.filter(({ source }) => !sourceMayRun(source)))
      for (const next of successors(pair)) expect(sourceMayRun(next.source)).toBe(false);
  });
});
