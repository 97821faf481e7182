import { HomewardError } from "../../common/errors.ts";

/**
 * The two state machines of a migration. Each transition is durable on its host before what follows from it is done or
 * said. What decides about ownership is one transition on each side: `released` on the source, after which it never runs
 * the workspace again, and `taken` on the destination, which is only reached from the source's word that it released.
 *
 * A measurement goes the same way up to `prepared` and then ends on both sides without moving anything.
 */
export const SOURCE_STATES = [
  "offered",
  "suspended",
  "indexed",
  "shipping",
  "prepared",
  "released",
  "done",
  "cancelled",
] as const;
export type SourceState = (typeof SOURCE_STATES)[number];

export const SOURCE_EVENTS = [
  /** The machine stands still and its state is on disk. */
  "suspend",
  /** The whole index was sent. */
  "index",
  /** The destination said what it lacks. */
  "ship",
  /** The destination holds a verified copy. */
  "peer-prepared",
  /** The workspace was given up for good. */
  "release",
  /** The destination owns the workspace. */
  "peer-took",
  /** The user stopped it, the connection broke, or something failed. */
  "cancel",
  /** A measurement is over. */
  "measure",
  /** The user takes it back from a destination that is gone for good: in a new epoch. */
  "take-over",
  /** This service came back after it ended without warning. */
  "restart",
] as const;
export type SourceEvent = (typeof SOURCE_EVENTS)[number];

export const DESTINATION_STATES = [
  "accepted",
  "replaying",
  "resolving",
  "building",
  "prepared",
  "taken",
  "done",
  "dropped",
] as const;
export type DestinationState = (typeof DESTINATION_STATES)[number];

export const DESTINATION_EVENTS = [
  /** The input log is complete and the twin starts on it. */
  "replay",
  /** The index is complete and is looked up in what this host holds. */
  "resolve",
  /** What is lacking arrives and new files are written. */
  "build",
  /** The new files have the source's root and are on disk. */
  "prepare",
  /** The source released and this host owns the workspace. */
  "take",
  /** The machine runs here, or is held as asked. */
  "finish",
  /** The user stopped it, the connection broke, or something failed. */
  "drop",
  /** The source says that it kept the workspace. */
  "source-kept",
  /** A measurement is over. */
  "measure",
  /** The user takes it over from a source that is gone for good: in a new epoch. */
  "take-over",
  /** This service came back after it ended without warning. */
  "restart",
] as const;
export type DestinationEvent = (typeof DESTINATION_EVENTS)[number];

type Table<State extends string, Event extends string> = Readonly<
  Record<State, Readonly<Partial<Record<Event, State>>>>
>;

const SOURCE: Table<SourceState, SourceEvent> = {
  offered: { suspend: "suspended", cancel: "cancelled", restart: "cancelled" },
  suspended: { index: "indexed", cancel: "cancelled", restart: "cancelled" },
  indexed: { ship: "shipping", cancel: "cancelled", restart: "cancelled" },
  shipping: { "peer-prepared": "prepared", cancel: "cancelled", restart: "cancelled" },
  prepared: { release: "released", measure: "done", cancel: "cancelled", restart: "cancelled" },
  // Only the destination's word ends this: it may already run the workspace.
  released: { "peer-took": "done", "take-over": "cancelled", restart: "released" },
  done: { "peer-took": "done", restart: "done" },
  cancelled: { cancel: "cancelled", restart: "cancelled" },
};

const DESTINATION: Table<DestinationState, DestinationEvent> = {
  accepted: {
    replay: "replaying",
    resolve: "resolving",
    drop: "dropped",
    "source-kept": "dropped",
    restart: "dropped",
  },
  replaying: { resolve: "resolving", drop: "dropped", "source-kept": "dropped", restart: "dropped" },
  resolving: { build: "building", drop: "dropped", "source-kept": "dropped", restart: "dropped" },
  building: { prepare: "prepared", drop: "dropped", "source-kept": "dropped", restart: "dropped" },
  // No `drop`: the source may have released on the strength of this. It has to be asked.
  prepared: { take: "taken", measure: "done", "source-kept": "dropped", "take-over": "taken", restart: "prepared" },
  taken: { take: "taken", finish: "done", restart: "taken" },
  done: { take: "done", finish: "done", restart: "done" },
  dropped: { drop: "dropped", "source-kept": "dropped", restart: "dropped" },
};

/** The state after `event`, or null where that event cannot happen. */
export function nextSourceState(state: SourceState, event: SourceEvent): SourceState | null {
  return SOURCE[state][event] ?? null;
}

/** The state after `event`, or null where that event cannot happen. */
export function nextDestinationState(state: DestinationState, event: DestinationEvent): DestinationState | null {
  return DESTINATION[state][event] ?? null;
}

/** Nothing more will happen to a migration in one of these. */
export function isFinal(state: SourceState | DestinationState): boolean {
  return state === "done" || state === "cancelled" || state === "dropped";
}

export function illegal(state: string, event: string): HomewardError {
  return new HomewardError("INTERNAL", `a migration that is ${state} cannot ${event}`, { data: { state, event } });
}

/** @throws DAMAGED when `text`, from the store, is no state of a source */
export function asSourceState(text: string): SourceState {
  const state = SOURCE_STATES.find((known) => known === text);
  if (state === undefined) throw new HomewardError("DAMAGED", `unknown migration state "${text}"`);
  return state;
}

/** @throws DAMAGED when `text`, from the store, is no state of a destination */
export function asDestinationState(text: string): DestinationState {
  const state = DESTINATION_STATES.find((known) => known === text);
  if (state === undefined) throw new HomewardError("DAMAGED", `unknown migration state "${text}"`);
  return state;
}
