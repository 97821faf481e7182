import { seededRandom } from "../../demo/session/random.ts";
import type { FrameName } from "../../protocol/wire.ts";
import { FRAMES } from "../../protocol/wire.ts";
import { DESTINATION_STATES, SOURCE_STATES } from "../../service/migration/states.ts";

/** Where the fault strikes: at the moment when that state is durable, or at any moment. */
export const MOMENTS = [
  ...SOURCE_STATES.filter((state) => state !== "cancelled").map((state) => `source:${state}` as const),
  ...DESTINATION_STATES.filter((state) => state !== "dropped").map((state) => `destination:${state}` as const),
  "any",
] as const;
export type Moment = (typeof MOMENTS)[number];

export const FAULTS = [
  "kill source",
  "kill destination",
  "kill both",
  "kill QEMU",
  "kill twin",
  "kill new QEMU",
  "cut",
  "stall",
  "slow",
  "late frames",
  "second session",
  "disk full, source",
  "disk full, destination",
  "clock back, source",
  "clock back, destination",
  "power cut, source",
  "power cut, destination",
] as const;
export type FaultName = (typeof FAULTS)[number];

/** A fault at a moment, or a damaged frame of that kind. */
export type Case =
  | { readonly fault: FaultName; readonly moment: Moment }
  | { readonly fault: "damage"; readonly frame: FrameName };

const QEMU_HAS_ENDED = "the source's QEMU has ended: its state has become a generation";

/** Why that never strikes then; null where it does. */
export function neverStrikes(fault: FaultName, moment: Moment): string | null {
  // It keeps its place among all cases: the order of every seed hangs on it.
  return fault === "kill QEMU" && moment === "destination:done" ? QEMU_HAS_ENDED : impossible(fault, moment);
}

/** Why that cannot happen then; null where it can. */
export function impossible(fault: FaultName, moment: Moment): string | null {
  if (moment === "any") return null;
  if (fault === "kill twin" && !["source:suspended", "source:indexed", "destination:accepted", "destination:replaying"].includes(moment))
    return "there is no twin: it starts after the offer was accepted and has ended before anything is resolved";
  if (fault === "kill QEMU" && moment === "source:done") return QEMU_HAS_ENDED;
  if (fault === "kill new QEMU" && !["source:done", "destination:taken", "destination:done"].includes(moment))
    return "the destination has no QEMU before it has taken the workspace";
  return null;
}

export const DAMAGED_FRAMES = Object.keys(FRAMES) as readonly FrameName[];

/** Every case there is, once. */
export function allCases(): Case[] {
  const cases: Case[] = [];
  for (const moment of MOMENTS)
    for (const fault of FAULTS) if (impossible(fault, moment) === null) cases.push({ fault, moment });
  for (const frame of DAMAGED_FRAMES) cases.push({ fault: "damage", frame });
  return cases;
}

export function caseName(one: Case): string {
  return one.fault === "damage" ? `damage ${one.frame}` : `${one.fault} @ ${one.moment}`;
}

/** The same numbers for the same seed and index. */
export function randomOf(seed: number, index: number): () => number {
  const random = seededRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
  random();
  return random;
}

/** The cases in the order of a seed: all of them, mixed, then all of them again, mixed otherwise. */
export function caseAt(seed: number, index: number): Case {
  const cases = allCases();
  const round = Math.floor(index / cases.length);
  const random = randomOf(seed, -1 - round);
  for (let left = cases.length - 1; left > 0; left--) {
    const at = Math.floor(random() * (left + 1));
    [cases[left], cases[at]] = [cases[at] as Case, cases[left] as Case];
  }
  return cases[index % cases.length] as Case;
}
