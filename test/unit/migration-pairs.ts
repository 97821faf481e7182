import {
  DESTINATION_EVENTS,
  SOURCE_EVENTS,
  nextDestinationState,
  nextSourceState,
  type DestinationState,
  type SourceState,
} from "../../service/migration/states.ts";
import { verdictOf } from "../../service/migration/decisions.ts";

/** Who may run the workspace, as far as each side's own record says. */
export function sourceMayRun(state: SourceState): boolean {
  return state !== "released" && state !== "done";
}
export function destinationMayRun(state: DestinationState): boolean {
  return state === "taken" || state === "done";
}

export interface Pair {
  readonly source: SourceState;
  readonly destination: DestinationState;
}

/**
 * Everything that can happen next to the pair of them. An event of one side that depends on the other's state only
 * happens where the protocol lets it; crashes and broken links happen anywhere.
 */
export function successors({ source, destination }: Pair): Pair[] {
  const pairs: Pair[] = [];
  const sourceEvents = SOURCE_EVENTS.filter((event) => {
    // A takeover begins another epoch, in which other rules hold.
    if (event === "measure" || event === "take-over") return false;
    if (event === "peer-prepared") return destination === "prepared";
    if (event === "peer-took") return destinationMayRun(destination);
    return true;
  });
  for (const event of sourceEvents) {
    const next = nextSourceState(source, event);
    if (next !== null) pairs.push({ source: next, destination });
  }
  const destinationEvents = DESTINATION_EVENTS.filter((event) => {
    // A takeover begins another epoch, in which other rules hold.
    if (event === "measure" || event === "take-over") return false;
    if (event === "take") return verdictOf(source) === "released";
    if (event === "source-kept") return verdictOf(source) === "kept";
    return true;
  });
  for (const event of destinationEvents) {
    const next = nextDestinationState(destination, event);
    if (next !== null) pairs.push({ source, destination: next });
  }
  return pairs;
}

/** Every pair of states that a migration can be found in, whatever crashed or broke before. */
export function reachablePairs(): Pair[] {
  const reached = new Map<string, Pair>();
  const open: Pair[] = [{ source: "offered", destination: "accepted" }];
  for (let pair = open.pop(); pair !== undefined; pair = open.pop()) {
    if (reached.has(pairName(pair))) continue;
    reached.set(pairName(pair), pair);
    open.push(...successors(pair));
  }
  return [...reached.values()];
}

export function pairName(pair: Pair): string {
  return `${pair.source}/${pair.destination}`;
}
