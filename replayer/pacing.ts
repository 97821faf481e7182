import type { Input, Step } from "./plan.ts";

/** Every number that decides how fast a replay goes. Milliseconds unless the name says otherwise. */
export const PACE = {
  /** The whole replay takes at most `limitFactor` x (recorded - think) / speed + `slackMs`, settling included. */
  limitFactor: 1.3,
  slackMs: 10_000,
  /** Share of the fixed slack that the first step may spend; what a step may spend grows evenly up to `slackShareLast`,
   * and the rest is kept for settling. */
  slackShareFirst: 0.7,
  slackShareLast: 0.8,
  /** One step waits at most this many times as long as the guest took to react in the recording, … */
  reactionFactor: 4,
  /** … plus this, … */
  stepGraceMs: 4_000,
  /** … plus the pause that was left out before it (the guest may have used it), up to this. */
  stepThinkMs: 3_000,
  /** A picture must have matched for this long before the action is sent (less if the recorded gap was shorter). */
  stableMs: 40,
  /** The same when the recorded picture did not change since the last action: nothing visible then tells whether the
   * guest is done with that action, so it gets a little time. */
  unseenMs: 100,
  /** Gaps between the events of an action shrink to this share of what was recorded, … */
  keyFactor: 0.2,
  pointerFactor: 0.2,
  /** … but not below these (a recorded gap that was shorter stays as it was). QEMU itself lets 10 ms pass after each key
   * (ui/kbd-state.c) and the guest polls the tablet every few milliseconds. */
  keyMs: 12,
  pointerMs: 6,
  buttonMs: 30,
} as const;

/** The time to leave between two events of one action that were `gapMs` apart when recorded; never more than that. */
export function spacing(previous: Input, next: Input, gapMs: number): number {
  if (previous.kind === "power" || next.kind === "power") return gapMs;
  if (previous.kind === "key" && next.kind === "key")
    return Math.min(gapMs, Math.max(PACE.keyMs, gapMs * PACE.keyFactor));
  const button = previous.kind !== "pointer" || next.kind !== "pointer" || previous.buttons !== next.buttons;
  return Math.min(gapMs, Math.max(button ? PACE.buttonMs : PACE.pointerMs, gapMs * PACE.pointerFactor));
}

type Waiting = Pick<Step, "index" | "activeBeforeMs" | "reactionMs" | "idleMs">;

/** When each step has to go on, in milliseconds since the replay began. */
export class Allowance {
  readonly #steps: number;
  readonly #speed: number;
  /** The whole replay ends here at the latest. */
  readonly limitMs: number;

  /**
   * @param activeMs recorded time without think time
   * @param steps number of steps, the end picture included
   * @param speed how fast this host runs the guest compared with the recording one, 1 = the same
   */
  constructor(activeMs: number, steps: number, speed: number) {
    this.#steps = Math.max(1, steps);
    this.#speed = speed;
    this.limitMs = (PACE.limitFactor * activeMs) / speed + PACE.slackMs;
  }

  /**
   * The moment at which a step that still waits for its picture goes on: it may use what the recording took up to here,
   * so whatever earlier steps saved, and its share of the slack; but never so much that one hopeless step eats it all,
   * and the less the more steps before it waited in vain.
   */
  deadline(step: Waiting, nowMs: number, missesBefore: number): number {
    const share = (step.index + 1) / this.#steps;
    const slackShare = PACE.slackShareFirst + (PACE.slackShareLast - PACE.slackShareFirst) * share;
    const saved = (PACE.limitFactor * step.activeBeforeMs) / this.#speed + PACE.slackMs * slackShare;
    const reaction = (PACE.reactionFactor * step.reactionMs) / this.#speed;
    const wait = reaction + PACE.stepGraceMs + Math.min(step.idleMs, PACE.stepThinkMs);
    return Math.min(saved, nowMs + wait / (1 + missesBefore), this.limitMs);
  }
}
