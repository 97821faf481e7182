import type { Input, Step } from "./plan.ts";

/** Every number that decides how fast a replay goes. Milliseconds unless the name says otherwise. */
export const PACE = {
  /** The whole replay takes at most `limitFactor` x (recorded - think) / speed + `slackMs`, settling included; the speed
   * is measured (tempo.ts) and never taken for less than SLOWEST. */
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
  /** Where much of the recorded picture moved by itself, the rest must match, and the guest gets as long as it took in the
   * recording, or so long where it had been waiting for the user. */
  restlessMs: 1_000,
  /** Gaps between the events of an action shrink to this share of what was recorded, … */
  keyFactor: 0.2,
  pointerFactor: 0.2,
  /** … but not below these (a recorded gap that was shorter stays as it was). QEMU itself lets 10 ms pass after each key
   * (ui/kbd-state.c) and the guest polls the tablet every few milliseconds. */
  keyMs: 12,
  pointerMs: 6,
  buttonMs: 30,
} as const;

/**
 * The time to leave between two events of one action that were `gapMs` apart when recorded; never more than that. A guest
 * that gets too little time loses keys: its keyboard holds 16 bytes (QEMU 7.2, hw/input/ps2.c).
 */
export function spacing(previous: Input, next: Input, gapMs: number, speed: number): number {
  if (previous.kind === "power" || next.kind === "power") return gapMs;
  if (previous.kind === "key" && next.kind === "key")
    return Math.min(gapMs, Math.max(PACE.keyMs, gapMs * PACE.keyFactor) / speed);
  const button = previous.kind !== "pointer" || next.kind !== "pointer" || previous.buttons !== next.buttons;
  return Math.min(gapMs, Math.max(button ? PACE.buttonMs : PACE.pointerMs, gapMs * PACE.pointerFactor) / speed);
}

type Waiting = Pick<Step, "index" | "activeBeforeMs" | "reactionMs" | "idleMs">;

/**
 * When each step has to go on, in milliseconds since the replay began. `speed` is always how fast the twin is at that
 * moment, 1 = as fast as the guest that was recorded. Recorded time counts at the speed that was measured when it was
 * replayed, so a host that is slow for a while gets more time for that while only.
 */
export class Allowance {
  readonly #activeMs: number;
  readonly #steps: number;
  /** Recorded time, without think time, of the steps that were taken, and what it was worth on this host. */
  #passedMs = 0;
  #earnedMs = 0;

  /**
   * @param activeMs recorded time without think time
   * @param steps number of steps, the end picture included
   */
  constructor(activeMs: number, steps: number) {
    this.#activeMs = activeMs;
    this.#steps = Math.max(1, steps);
  }

  /** The whole replay ends here at the latest, if the twin is as fast as the recorded guest from now on. */
  get limitMs(): number {
    return PACE.limitFactor * (this.#earnedMs + this.#activeMs - this.#passedMs) + PACE.slackMs;
  }

  /** Mean speed over what was replayed so far: with this one, `limitMs` is the bound that PACE promises. */
  get meanSpeed(): number {
    return this.#activeMs === 0 ? 1 : this.#activeMs / (this.#earnedMs + this.#activeMs - this.#passedMs);
  }

  /** The step was taken, at this speed. */
  took(step: Waiting, speed: number): void {
    const passedMs = Math.max(this.#passedMs, step.activeBeforeMs);
    this.#earnedMs += (passedMs - this.#passedMs) / speed;
    this.#passedMs = passedMs;
  }

  /**
   * The moment at which a step that still waits for its picture goes on: it may use what the recording took up to here,
   * so whatever earlier steps saved, and its share of the slack; but never so much that one hopeless step eats it all,
   * and the less the more steps before it waited in vain.
   */
  deadline(step: Waiting, nowMs: number, missesBefore: number, speed: number): number {
    const share = (step.index + 1) / this.#steps;
    const slackShare = PACE.slackShareFirst + (PACE.slackShareLast - PACE.slackShareFirst) * share;
    const worthMs = this.#earnedMs + Math.max(0, step.activeBeforeMs - this.#passedMs) / speed;
    const saved = PACE.limitFactor * worthMs + PACE.slackMs * slackShare;
    const reaction = (PACE.reactionFactor * step.reactionMs) / speed;
    const wait = reaction + PACE.stepGraceMs + Math.min(step.idleMs, PACE.stepThinkMs);
    return Math.min(saved, nowMs + wait / (1 + missesBefore));
  }
}
