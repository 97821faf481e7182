import { abortable, throwIfAborted } from "../common/abort.ts";
import { noProgress, type Progress } from "../common/progress.ts";
import { CELL_PIXELS, CheckpointState, gridColumns, type InputEvent } from "../protocol/input-log.ts";
import { pause, systemClock, type Clock } from "./clock.ts";
import { waitForPicture, type ReplayScreen } from "./gate.ts";
import { Allowance, PACE, spacing } from "./pacing.ts";
import { compare, differingCells, Mask, telling, type Excused, type Picture } from "./picture.ts";
import { planReplay, type Input, type Plan, type Step } from "./plan.ts";
import { PressedInput, type ReplaySink } from "./pressed.ts";
import { Tally, type ReplayReport, type ReplayStep } from "./report.ts";
import { Tempo } from "./tempo.ts";
import { Timeline } from "./timeline.ts";

export { replaySummary, type ReplayReport, type ReplayStep, type ReplaySummary } from "./report.ts";
export type { PathSegment } from "./timeline.ts";
export type { ReplayScreen } from "./gate.ts";
export type { ReplaySink } from "./pressed.ts";

export interface ReplayOptions {
  /** The whole log since the generation, in order. */
  readonly events: Iterable<InputEvent>;
  readonly screen: ReplayScreen;
  readonly sink: ReplaySink;
  /** Resolves when the twin's disk is quiet; called once after the end picture, and aborted when the time is up. */
  readonly settled?: (signal: AbortSignal) => Promise<void>;
  /** A first guess at how fast this host runs the guest compared with the one that recorded (0.5: half as fast), for use
   * until it was measured. Default 1. */
  readonly speed?: number;
  readonly signal?: AbortSignal;
  /** Ends the replay where it is, which is no error. */
  readonly enough?: AbortSignal;
  readonly progress?: Progress;
  readonly clock?: Clock;
  /** Holds the recorded picture of the present step, for whoever wants to see it; empty at first. */
  readonly recorded?: CheckpointState;
}

/**
 * Replays a recorded input log on a twin that stands where the recording began. Each action is sent as soon as the screen
 * shows what it showed when the action was recorded, so pauses of the user are left out. A picture that does not come
 * within the step's allowance is a miss, and the replay goes on; after too many it gives up, which is no error.
 *
 * The whole takes at most 1.3 x (recordedMs - thinkMs) / speed + 10 s, waiting for the end picture and for the disk
 * included (see Plan.thinkMs for think time). The speed is the report's, between 0.2 and 1; it is less than 1 only where the
 * twin showed what was recorded, but took longer.
 * @throws DAMAGED if the checkpoints do not fit together, CANCELLED, and whatever the sink or `settled` throw
 */
export async function replay(options: ReplayOptions): Promise<ReplayReport> {
  throwIfAborted(options.signal);
  const plan = await planReplay(options.events, options.signal);
  return new Replay(options, plan).run();
}

const TOOK_TOO_LONG = "the replay took longer than it may";
const NOT_WORTH_IT = "waiting for the rest did not pay any more";

class Replay {
  readonly #screen: ReplayScreen;
  readonly #sink: ReplaySink;
  readonly #pressed: PressedInput;
  readonly #clock: Clock;
  /** Stops whatever waits: it is cancelled, or enough. */
  readonly #signal: AbortSignal | undefined;
  readonly #cancelled: AbortSignal | undefined;
  readonly #progress: Progress;
  readonly #settled: ((signal: AbortSignal) => Promise<void>) | undefined;
  readonly #plan: Plan;
  readonly #allowance: Allowance;
  readonly #tempo: Tempo;
  readonly #startMs: number;
  readonly #recorded: CheckpointState;
  readonly #mask = new Mask();
  readonly #timeline = new Timeline();
  readonly #tally = new Tally();
  #gaveUp: string | null = null;
  #sent = 0;

  constructor(options: ReplayOptions, plan: Plan) {
    this.#screen = options.screen;
    this.#sink = options.sink;
    this.#recorded = options.recorded ?? new CheckpointState();
    this.#pressed = new PressedInput();
    this.#clock = options.clock ?? systemClock;
    this.#cancelled = options.signal;
    const stops = [options.signal, options.enough].filter((signal) => signal !== undefined);
    this.#signal = stops.length === 0 ? undefined : AbortSignal.any(stops);
    this.#progress = options.progress ?? noProgress;
    this.#settled = options.settled;
    this.#plan = plan;
    const { recordedMs, thinkMs, steps } = plan;
    this.#allowance = new Allowance(recordedMs - thinkMs, steps.length);
    this.#tempo = new Tempo(options.speed ?? 1);
    this.#startMs = this.#clock.now();
  }

  get #elapsedMs(): number {
    return this.#clock.now() - this.#startMs;
  }

  async run(): Promise<ReplayReport> {
    let whole = false;
    try {
      for (const step of this.#plan.steps) {
        this.#progress.update({ phase: "replay", done: step.index, total: this.#plan.steps.length, unit: "steps" });
        await this.#step(step);
        if (this.#gaveUp !== null) break;
      }
      whole = this.#gaveUp === null;
    } catch (error) {
      throwIfAborted(this.#cancelled);
      if (this.#signal?.aborted !== true) throw error;
      this.#gaveUp = NOT_WORTH_IT;
    } finally {
      // What the user still held at the end stays held, as it is on the source.
      if (!whole) this.#pressed.release(this.#sink);
    }
    if (whole) await this.#settle();
    if (whole && this.#plan.paused) this.#gaveUp = "recording was paused";
    return this.#report();
  }

  async #step(step: Step): Promise<void> {
    const picture = this.#apply(step);
    const { speed } = this.#tempo;
    if (step.kind === "gated" || step.kind === "end") await this.#gate(step, picture, speed);
    else await this.#ungated(step, step.kind === "continued" ? step.gapMs : step.gapMs / speed);
    // A step that showed how slow the twin is was one of the slow ones itself.
    this.#allowance.took(step, Math.min(speed, this.#tempo.speed));
    this.#gaveUp ??= this.#tally.hopeless();
    if (step.kind !== "end" && this.#elapsedMs >= this.#allowance.limitMs) this.#gaveUp ??= TOOK_TOO_LONG;
    if (this.#gaveUp === null) await this.#send(step.inputs);
  }

  /** The recorded picture before the step, after noting what its checkpoints say. */
  #apply(step: Step): Picture {
    const state = this.#recorded;
    for (const checkpoint of step.checkpoints) {
      if (checkpoint.width !== state.width || checkpoint.height !== state.height) this.#mask.clear();
      state.apply(checkpoint);
    }
    return state;
  }

  #seen(): Picture {
    const { width, height } = this.#screen;
    return { width, height, grid: this.#screen.lumaGrid() };
  }

  async #gate(step: Step, recorded: Picture, speed: number): Promise<void> {
    const excused: Excused = { masked: this.#mask.cells, volatile: this.#recorded.volatile };
    const tells = telling(recorded, excused.volatile);
    const patientMs = Math.min(step.gapMs, Math.max(step.reactionMs, PACE.restlessMs)) / speed;
    if (tells === "nothing") {
      await this.#ungated(step, patientMs);
      return;
    }
    const begunMs = this.#elapsedMs;
    const deadlineMs = this.#allowance.deadline(step, begunMs, this.#tally.inARow, speed);
    if (tells === "restless") await pause(this.#clock, Math.min(patientMs, deadlineMs - begunMs), this.#signal);
    const changed = step.checkpoints.some((checkpoint) => checkpoint.cells.size > 0);
    const holdMs = Math.min(step.gapMs, (changed ? PACE.stableMs : PACE.unseenMs) / speed);
    const result = await waitForPicture(this.#screen, this.#clock, {
      compare: () => compare(recorded, this.#seen(), excused),
      holdMs,
      limitMs: deadlineMs - this.#elapsedMs,
      signal: this.#signal,
    });
    const waitedMs = this.#elapsedMs - begunMs;
    const seen = this.#seen();
    const cells = result.matched ? [] : differingCells(recorded, seen, excused);
    const difference = result.matched ? "" : describe(cells, result.differing, recorded.width);
    this.#timeline.note(step.index, recorded, seen, excused, result.matched, difference);
    if (!result.matched) this.#mask.add(cells, excused.volatile, recorded.grid.length);
    else if (tells === "still") this.#tempo.shown(step.reactionMs, waitedMs - holdMs);
    this.#note(step, result.matched ? "matched" : "missed", waitedMs, result.differing);
  }

  /** A step that goes on without a picture, after so long. */
  async #ungated(step: Step, patientMs: number): Promise<void> {
    const waitMs = Math.max(0, Math.min(patientMs, this.#allowance.limitMs - this.#elapsedMs));
    await pause(this.#clock, waitMs, this.#signal);
    this.#note(step, "skipped", waitMs, 0);
  }

  #note(step: Step, outcome: ReplayStep["outcome"], waitedMs: number, differing: number): void {
    const { index, atMs } = step;
    this.#tally.add({ index, atMs, outcome, waitedMs: Math.round(waitedMs), differing, masked: this.#mask.cells.size });
  }

  /** Sends an action's inputs with the gaps that `spacing` leaves, each measured from when the one before really went. */
  async #send(inputs: readonly Input[]): Promise<void> {
    let previous: Input | undefined;
    let sentMs = 0;
    for (const input of inputs) {
      const gapMs = previous === undefined ? 0 : input.atMs - previous.atMs;
      const spacedMs = previous === undefined ? 0 : sentMs + spacing(previous, input, gapMs, this.#tempo.speed);
      const dueMs = Math.max(spacedMs, this.#pressed.earliestMs(input));
      if (dueMs - this.#startMs > this.#allowance.limitMs) {
        this.#gaveUp = TOOK_TOO_LONG;
        return;
      }
      await pause(this.#clock, dueMs - this.#clock.now(), this.#signal);
      sentMs = this.#clock.now();
      await this.#sendOne(input, sentMs);
      previous = input;
    }
  }

  async #sendOne(input: Input, nowMs: number): Promise<void> {
    this.#pressed.note(input, nowMs);
    if (input.kind === "key") this.#sink.key(input.down, input.keysym, input.keycode);
    else if (input.kind === "pointer") this.#sink.pointer(input.x, input.y, input.buttons);
    else await this.#sink.power(input.action);
    this.#sent++;
  }

  /** Waits for the twin's disk, for as long as there is time left. */
  async #settle(): Promise<void> {
    if (this.#settled === undefined) return;
    const timeUp = new AbortController();
    const signal = this.#signal === undefined ? timeUp.signal : AbortSignal.any([timeUp.signal, this.#signal]);
    const cancel = this.#clock.after(Math.max(0, this.#allowance.limitMs - this.#elapsedMs), () => {
      timeUp.abort();
    });
    this.#progress.update({
      phase: "settle",
      done: this.#plan.steps.length,
      total: this.#plan.steps.length,
      unit: "steps",
    });
    try {
      await abortable(this.#settled(signal), signal);
    } catch (error) {
      throwIfAborted(this.#cancelled);
      if (!signal.aborted) throw error;
    } finally {
      cancel();
    }
  }

  #report(): ReplayReport {
    const { matched, missed, steps } = this.#tally;
    const { recordedMs, thinkMs, inputs, occurrences } = this.#plan;
    return {
      events: this.#sent,
      recordedEvents: inputs,
      recordedMs: Math.round(recordedMs),
      thinkMs: Math.round(thinkMs),
      replayMs: Math.round(this.#elapsedMs),
      speed: this.#allowance.meanSpeed,
      checkpoints: { total: matched + missed, matched, missed },
      gaveUp: this.#gaveUp,
      maskedCells: this.#mask.cells.size,
      steps,
      path: this.#timeline.path(),
      occurrences,
    };
  }
}

/** How two pictures differ, for people: how many cells, and the pixels they lie in. */
function describe(cells: readonly number[], differing: number, width: number): string {
  if (cells.length === 0) return `${differing} cells differ`;
  const columns = gridColumns(width);
  const xs = cells.map((cell) => cell % columns);
  const ys = cells.map((cell) => Math.floor(cell / columns));
  const left = xs.reduce((a, b) => Math.min(a, b)) * CELL_PIXELS;
  const top = ys.reduce((a, b) => Math.min(a, b)) * CELL_PIXELS;
  const right = xs.reduce((a, b) => Math.max(a, b)) * CELL_PIXELS + CELL_PIXELS - 1;
  const bottom = ys.reduce((a, b) => Math.max(a, b)) * CELL_PIXELS + CELL_PIXELS - 1;
  return `${differing} cells differ, between (${left}, ${top}) and (${right}, ${bottom})`;
}
