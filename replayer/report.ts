import type { Occurrence } from "./plan.ts";
import type { PathSegment } from "./timeline.ts";

/** What became of one step. */
export interface ReplayStep {
  readonly index: number;
  /** Recorded time of its first input, in milliseconds since the generation. */
  readonly atMs: number;
  /** `skipped`: there was no picture to wait for, or it must not be waited for (the second half of a double click). */
  readonly outcome: "matched" | "missed" | "skipped";
  readonly waitedMs: number;
  /** Cells (16x16 pixels) that differed when the step went on, and cells that were not compared any more. */
  readonly differing: number;
  readonly masked: number;
}

export interface ReplayReport {
  /** Inputs sent to the guest, of so many recorded up to where the replay was to end. */
  readonly events: number;
  readonly recordedEvents: number;
  /** Whole milliseconds: length of the recording; how much of it was think time (see Plan.thinkMs); how long the replay
   * took, settling included. */
  readonly recordedMs: number;
  readonly thinkMs: number;
  readonly replayMs: number;
  /** How fast the twin was taken to be compared with the recorded guest, on average: 0.2 to 1. */
  readonly speed: number;
  readonly checkpoints: { readonly total: number; readonly matched: number; readonly missed: number };
  /** Why the replay ended before the recording did. */
  readonly gaveUp: string | null;
  readonly maskedCells: number;
  /** At most 1000 steps and 1000 further misses. */
  readonly steps: readonly ReplayStep[];
  readonly path: readonly PathSegment[];
  /** What the guest and the network did while it was recorded; not replayed. At most 100. */
  readonly occurrences: readonly Occurrence[];
}

/** The part of a report that is shown and stored with a migration; small whatever the replay's length. */
export type ReplaySummary = Pick<
  ReplayReport,
  "events" | "recordedMs" | "thinkMs" | "replayMs" | "speed" | "checkpoints" | "gaveUp" | "maskedCells" | "path"
>;

const SUMMARY_SEGMENTS = 20;

export function replaySummary(report: ReplayReport): ReplaySummary {
  const { events, recordedMs, thinkMs, replayMs, speed, checkpoints, gaveUp, maskedCells } = report;
  const path = report.path.slice(0, SUMMARY_SEGMENTS);
  return { events, recordedMs, thinkMs, replayMs, speed, checkpoints, gaveUp, maskedCells, path };
}

const MAX_STEPS = 1000;

/** Collects the steps' outcomes and decides when enough of them were misses. */
export class Tally {
  readonly steps: ReplayStep[] = [];
  matched = 0;
  missed = 0;
  /** Misses since the last match. */
  inARow = 0;
  #furtherMisses = 0;

  add(step: ReplayStep): void {
    if (step.outcome === "matched") {
      this.matched++;
      this.inARow = 0;
    } else if (step.outcome === "missed") {
      this.missed++;
      this.inARow++;
    }
    if (this.steps.length < MAX_STEPS) this.steps.push(step);
    else if (step.outcome === "missed" && this.#furtherMisses++ < MAX_STEPS) this.steps.push(step);
  }

  /** Why going on is not worth it: what a lost replay leaves is cheaper shipped. */
  hopeless(): string | null {
    const total = this.matched + this.missed;
    if (this.inARow >= MISSES_IN_A_ROW)
      return `${this.inARow} pictures in a row were not as recorded`;
    if (total >= ENOUGH_CHECKPOINTS && this.missed > total * MISSED_SHARE)
      return `${this.missed} of ${total} pictures were not as recorded`;
    return null;
  }
}

const MISSES_IN_A_ROW = 6;
const ENOUGH_CHECKPOINTS = 12;
const MISSED_SHARE = 1 / 3;
