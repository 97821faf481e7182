import { isNewer, type Epoch } from "../../protocol/epoch.ts";
import type { Verdict } from "../../protocol/wire/messages.ts";
import {
  isFinal,
  nextDestinationState,
  nextSourceState,
  type DestinationState,
  type SourceState,
} from "./states.ts";

/**
 * What either end decides from the states of states.ts, apart from how it is done. All of it is pure: the service acts on
 * it, and test/unit/migration-model/ drives it through everything that two hosts, a bad link and crashes can do.
 */

/** What a host makes of another one that says that it owns a workspace, in an epoch, from the epoch that it knows itself. */
export function onEpoch(mine: { readonly isOwner: boolean; readonly epoch: Epoch }, theirs: Epoch): "same" | "fence-them" | "fenced" | "follow" {
  if (isNewer(mine.epoch, theirs)) return "fence-them";
  if (!isNewer(theirs, mine.epoch)) return "same";
  return mine.isOwner ? "fenced" : "follow";
}

/** What the source of a migration in this state (null: it knows of none) answers a destination that asks about it. */
export function verdictOf(state: SourceState | null): Verdict {
  if (state === null) return "unknown";
  if (state === "released" || state === "done") return "released";
  return isFinal(state) ? "kept" : "undecided";
}

/** What a destination does on the source's word. "ask-again": it is not the last word. */
export type OnVerdict = "take" | "drop" | "drop-but-keep-generation" | "ask-again";

export function onVerdict(verdict: Verdict): OnVerdict {
  switch (verdict) {
    case "released":
      return "take";
    // The source's durable record is what decides: one that never was recorded was never released.
    case "kept":
      return "drop";
    // It may have lost more than this record: what was received is not removed.
    case "unknown":
      return "drop-but-keep-generation";
    case "undecided":
      return "ask-again";
  }
}

/** Whether the source of a migration in this state may let its machine run on when nothing came of it. */
export function mayGoOn(state: SourceState): boolean {
  return verdictOf(state) === "kept";
}

/** What the source does that finds a migration in this state when it starts; `state` is the one after "restart". */
export function sourceAfterRestart(before: SourceState): { readonly state: SourceState; readonly then: "tell" | "go-on" } {
  const state = nextSourceState(before, "restart") ?? before;
  // Only the destination's word ends a release; whatever else there is, the workspace stayed here.
  return { state, then: state === "released" ? "tell" : "go-on" };
}

/** What the destination does that finds a migration in this state when it starts; `state` is the one after "restart". */
export function destinationAfterRestart(before: DestinationState): {
  readonly state: DestinationState;
  readonly then: "ask" | "finish" | "clean-up";
} {
  const state = nextDestinationState(before, "restart") ?? before;
  if (state === "prepared") return { state, then: "ask" };
  return { state, then: state === "taken" ? "finish" : "clean-up" };
}

/** What a destination does whose exchange broke off. Once prepared it cannot know whether the source released. */
export function destinationAfterBreak(state: DestinationState): "drop" | "ask" | "nothing" {
  if (nextDestinationState(state, "drop") !== null) return "drop";
  return state === "prepared" ? "ask" : "nothing";
}

/** What a destination does that is told of the release: "repeat": it did before, and only says so again. */
export function onRelease(state: DestinationState): "take" | "repeat" | "refuse" {
  if (nextDestinationState(state, "take") === null) return "refuse";
  return state === "prepared" ? "take" : "repeat";
}

/** What a source does that is told that the workspace was taken. */
export function onTaken(state: SourceState): "keep" | "repeat" | "refuse" {
  if (nextSourceState(state, "peer-took") === null) return "refuse";
  return state === "released" ? "keep" : "repeat";
}
