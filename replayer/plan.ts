import { setImmediate } from "node:timers/promises";
import { throwIfAborted } from "../common/abort.ts";
import type { Checkpoint, InputEvent, KeyInput, PointerInput, PowerAction } from "../protocol/input-log.ts";

/** An event that the replay sends to the guest. */
export type Input = { readonly atMs: number } & (
  | KeyInput
  | PointerInput
  | { readonly kind: "power"; readonly action: ReplayedPower }
);

/** "power-on": the reset of a machine that had been switched off, which has to be off by then. */
export type ReplayedPower = "host-reset" | "host-powerdown" | "power-on";

/**
 * - `gated`: sent when the recorded picture is seen
 * - `continued`: a further click or wheel notch at the same spot. A double click must stay one, so it is sent at its
 *   recorded distance and its picture is only looked at.
 * - `blind`: input after a pause for which there is no picture; sent after the recorded pause
 * - `end`: no input, the end picture
 */
export type StepKind = "gated" | "continued" | "blind" | "end";

/** An action: a picture to wait for, then input. Milliseconds of recorded time. */
export interface Step {
  readonly index: number;
  readonly kind: StepKind;
  /** When its first input came (`end`: when its picture was taken). */
  readonly atMs: number;
  /** To be applied in order; the last is the picture before this step. Earlier ones had no input of their own. */
  readonly checkpoints: readonly Checkpoint[];
  readonly inputs: readonly Input[];
  /** Since the last input (or the start) until this step. */
  readonly gapMs: number;
  /** The part of the gap in which neither input came nor the picture changed. */
  readonly idleMs: number;
  /** The other part: how long the picture went on changing after the last input. */
  readonly reactionMs: number;
  /** Recorded time before this step, all idle time left out. */
  readonly activeBeforeMs: number;
}

/** A recorded fact that is not input: what the guest or the network did. */
export interface Occurrence {
  /** The step after whose first input it was recorded; -1 before the first. */
  readonly step: number;
  readonly atMs: number;
  readonly text: string;
}

export interface Plan {
  readonly steps: readonly Step[];
  readonly occurrences: readonly Occurrence[];
  /** Inputs in all steps. */
  readonly inputs: number;
  /** From the generation to the last event that is replayed. */
  readonly recordedMs: number;
  /**
   * Think time: the sum over all steps with a picture of the idle time before them, the time during which neither input
   * arrived nor the picture changed. Derived from the log: the step's moment minus the later of the last input and the
   * last change of the picture (the checkpoint's moment minus its age).
   */
  readonly thinkMs: number;
  /** The recording was paused: what the user did after that is not known, so the replay ends there. */
  readonly paused: boolean;
}

/** Input after so long without any starts a new action, as it does for the recorder. */
const ACTION_GAP_MS = 250;
/** A press of the same button so soon and so near continues a click. */
const CONTINUED_MS = 500;
const CONTINUED_PIXELS = 8;
/** Facts kept for the report. */
const MAX_OCCURRENCES = 100;

const OCCURRENCES = {
  "guest-reset": "the guest restarted",
  "guest-shutdown": "the guest shut down",
  "host-off": "its plug was pulled",
} as const;

interface Press {
  readonly atMs: number;
  readonly x: number;
  readonly y: number;
  readonly button: number;
}

/** Turns the log into steps, in one pass. */
class Planner {
  readonly steps: Step[] = [];
  readonly occurrences: Occurrence[] = [];
  #open: { step: Step; inputs: Input[] } | undefined;
  #checkpoints: Checkpoint[] = [];
  #checkpointAtMs = 0;
  #lastInputMs = 0;
  #press: Press | undefined;
  #buttons = 0;
  /** The guest has switched the machine off. */
  #isOff = false;
  inputs = 0;
  thinkMs = 0;
  endMs = 0;
  paused = false;

  add(event: InputEvent): void {
    this.endMs = Math.max(this.endMs, event.atMs);
    switch (event.kind) {
      case "checkpoint":
        this.#checkpoints.push(event.checkpoint);
        this.#checkpointAtMs = event.atMs;
        break;
      case "key":
      case "pointer":
        this.#input(event);
        break;
      case "power":
        this.#power(event.atMs, event.action);
        break;
      case "network":
        this.#occurred(event.atMs, `the guest had ${event.connections} connections open`);
        break;
      case "mark":
        if (event.mark === "record-pause") this.paused = true;
        else this.#occurred(event.atMs, event.mark);
        break;
    }
  }

  #power(atMs: number, action: PowerAction): void {
    if (action === "host-powerdown") this.#input({ atMs, kind: "power", action });
    else if (action === "host-reset") this.#input({ atMs, kind: "power", action: this.#isOff ? "power-on" : action });
    else this.#occurred(atMs, OCCURRENCES[action]);
    this.#isOff = action === "guest-shutdown";
  }

  #occurred(atMs: number, text: string): void {
    if (this.occurrences.length < MAX_OCCURRENCES)
      this.occurrences.push({ step: this.steps.length - 1, atMs, text });
  }

  #input(input: Input): void {
    const press = this.#pressOf(input);
    const gapMs = input.atMs - this.#lastInputMs;
    if (this.#checkpoints.length > 0) {
      const kind = press !== undefined && this.#continues(press) ? "continued" : "gated";
      this.#startStep(kind, input.atMs);
    } else if (this.#open === undefined || gapMs >= ACTION_GAP_MS) {
      this.#startStep("blind", input.atMs);
    }
    this.#open?.inputs.push(input);
    this.inputs++;
    this.#lastInputMs = Math.max(this.#lastInputMs, input.atMs);
    if (press !== undefined) this.#press = press;
  }

  #pressOf(input: Input): Press | undefined {
    if (input.kind !== "pointer") return undefined;
    const pressed = input.buttons & ~this.#buttons;
    this.#buttons = input.buttons;
    return pressed === 0 ? undefined : { atMs: input.atMs, x: input.x, y: input.y, button: pressed };
  }

  #continues(press: Press): boolean {
    const last = this.#press;
    return (
      last?.button === press.button &&
      press.atMs - last.atMs <= CONTINUED_MS &&
      Math.hypot(press.x - last.x, press.y - last.y) <= CONTINUED_PIXELS
    );
  }

  #startStep(kind: StepKind, atMs: number): void {
    const gapMs = Math.max(0, atMs - this.#lastInputMs);
    const picture = this.#checkpoints.at(-1);
    const changedMs = picture === undefined ? atMs : this.#checkpointAtMs - picture.ageMs;
    const idleMs = Math.max(0, atMs - Math.max(this.#lastInputMs, changedMs));
    this.thinkMs += idleMs;
    const inputs: Input[] = [];
    const step: Step = {
      index: this.steps.length,
      kind,
      atMs,
      checkpoints: this.#checkpoints,
      inputs,
      gapMs,
      idleMs,
      reactionMs: gapMs - idleMs,
      activeBeforeMs: Math.max(0, atMs - this.thinkMs),
    };
    this.steps.push(step);
    this.#open = { step, inputs };
    this.#checkpoints = [];
  }

  finish(): Plan {
    if (this.#checkpoints.length > 0) this.#startStep("end", this.#checkpointAtMs);
    const { steps, occurrences, inputs, thinkMs, paused } = this;
    return { steps, occurrences, inputs, thinkMs, paused, recordedMs: this.endMs };
  }
}

/** Events planned before others get a turn; a few milliseconds' worth. */
const SLICE = 20_000;

/** The steps that replaying the events takes; everything after a pause of the recording is left out. */
export async function planReplay(events: Iterable<InputEvent>, signal?: AbortSignal): Promise<Plan> {
  const planner = new Planner();
  let count = 0;
  for (const event of events) {
    planner.add(event);
    if (planner.paused) break;
    if (++count % SLICE === 0) {
      await setImmediate();
      throwIfAborted(signal);
    }
  }
  return planner.finish();
}
