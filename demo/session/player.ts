import { delay, throwIfAborted } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import { noProgress, type Progress } from "../../common/progress.ts";
import { keyForChar, keyForName } from "../../vm/rfb/keymap.ts";
import { CLICK_MS, estimateSteps, NOTCH_MS, SHIFT_SHARE } from "./estimate.ts";
import type { Pace, Point, Session, SessionStep } from "./format.ts";
import { Hands, type Console } from "./hands.ts";
import { parseChord } from "./keys.ts";
import { moveDuration, pointerPath } from "./motion.ts";
import { seededRandom } from "./random.ts";
import { screenStill } from "./stillness.ts";

export interface PlayOptions {
  readonly signal?: AbortSignal;
  readonly progress?: Progress;
}

export interface Played {
  /** Key and pointer events sent. */
  readonly events: number;
  readonly durationMs: number;
  /** Numbers, counted from 1, of the wait_still steps whose time-out passed. */
  readonly neverStill: readonly number[];
}

/** RFC 6143 7.5.5. */
const BUTTONS = { left: 1, middle: 2, right: 4, wheelUp: 8, wheelDown: 16 } as const;
/** Share of a key's time that it is held down. */
const HOLD_SHARE = 0.45;

/**
 * Plays a session on a guest's console as a person at a VNC viewer would. When the signal fires, everything that is
 * pressed is let go of.
 * @throws USAGE if a step points outside the screen, CANCELLED
 */
export async function playSession(client: Console, session: Session, options: PlayOptions = {}): Promise<Played> {
  const player = new Player(client, session.pace, options.signal);
  const { progress = noProgress } = options;
  const estimates = estimateSteps(session);
  const total = Math.round(estimates.reduce((sum, ms) => sum + ms, 0));
  const startMs = performance.now();
  const neverStill: number[] = [];
  let done = 0;
  try {
    for (const [i, step] of session.steps.entries()) {
      const note = `step ${i + 1} of ${session.steps.length}`;
      progress.update({ phase: "session", done: Math.round(done), total, unit: "ms", note });
      checkInside(client, step, i + 1);
      if (!(await player.step(step))) neverStill.push(i + 1);
      done += estimates[i] ?? 0;
    }
  } finally {
    player.hands.releaseAll();
  }
  progress.update({ phase: "session", done: total, total, unit: "ms" });
  return { events: player.hands.events, durationMs: Math.round(performance.now() - startMs), neverStill };
}

function pointsOf(step: SessionStep): Point[] {
  if (step.click !== undefined) return [step.click.at];
  if (step.double !== undefined) return [step.double];
  if (step.drag !== undefined) return step.drag;
  return step.scroll === undefined ? [] : [step.scroll.at];
}

function checkInside(client: Console, step: SessionStep, number: number): void {
  for (const [x, y] of pointsOf(step))
    if (x >= client.width || y >= client.height)
      throw new HomewardError("USAGE", `step ${number}: (${x}, ${y}) is outside the screen of ${client.width}x${client.height}`);
}

class Player {
  readonly hands: Hands;
  readonly #console: Console;
  readonly #pace: Pace;
  readonly #signal: AbortSignal | undefined;
  readonly #random: () => number;

  constructor(console: Console, pace: Pace, signal: AbortSignal | undefined) {
    this.hands = new Hands(console);
    this.#console = console;
    this.#pace = pace;
    this.#signal = signal;
    this.#random = seededRandom(pace.seed);
  }

  /** @returns false if the step waited for a still screen in vain */
  async step(step: SessionStep): Promise<boolean> {
    throwIfAborted(this.#signal);
    if (step.wait !== undefined) await delay(step.wait * 1000, this.#signal);
    else if (step.wait_still !== undefined) {
      const { seconds, changed, timeout } = step.wait_still;
      return screenStill(this.#console, {
        quietMs: seconds * 1000,
        timeoutMs: timeout * 1000,
        changedFrom: this.hands.before,
        changedShare: changed / 100,
        signal: this.#signal,
      });
    } else {
      await this.#pause(this.#pace.pause_ms);
      await this.#act(step);
    }
    return true;
  }

  /** About this long, as people are. */
  #pause(ms: number): Promise<void> {
    return delay(ms * (1 + this.#pace.jitter * (this.#random() * 2 - 1)), this.#signal);
  }

  async #act(step: SessionStep): Promise<void> {
    if (step.type !== undefined) for (const character of step.type) await this.#type(character);
    else if (step.keys !== undefined) await this.#chord(step.keys);
    else if (step.click !== undefined) {
      await this.#move(step.click.at);
      await this.#press(BUTTONS[step.click.button]);
    } else if (step.double !== undefined) {
      await this.#move(step.double);
      await this.#press(BUTTONS.left);
      await this.#pause(CLICK_MS.between);
      await this.#press(BUTTONS.left);
    } else if (step.drag !== undefined) await this.#drag(...step.drag);
    else if (step.scroll !== undefined) await this.#scroll(step.scroll.at, step.scroll.by);
  }

  async #type(character: string): Promise<void> {
    const { key_ms: keyMs } = this.#pace;
    const key = keyForChar(character);
    const shift = keyForName("shift");
    if (key.shift) {
      this.hands.press(shift);
      await this.#pause((keyMs * SHIFT_SHARE) / 2);
    }
    this.hands.press(key);
    await this.#pause(keyMs * HOLD_SHARE);
    this.hands.release(key);
    if (key.shift) {
      await this.#pause((keyMs * SHIFT_SHARE) / 2);
      this.hands.release(shift);
    }
    await this.#pause(keyMs * (1 - HOLD_SHARE));
  }

  async #chord(text: string): Promise<void> {
    const { key_ms: keyMs } = this.#pace;
    const { modifiers, key } = parseChord(text);
    for (const modifier of modifiers) {
      this.hands.press(modifier);
      await this.#pause(keyMs * SHIFT_SHARE);
    }
    this.hands.press(key);
    await this.#pause(keyMs * HOLD_SHARE);
    this.hands.release(key);
    for (const modifier of [...modifiers].reverse()) {
      await this.#pause((keyMs * SHIFT_SHARE) / 2);
      this.hands.release(modifier);
    }
    await this.#pause(keyMs * (1 - HOLD_SHARE));
  }

  async #move(to: Point): Promise<void> {
    const from = this.hands.at;
    const durationMs = moveDuration(from, to, this.#pace.move_ms * (1 + this.#pace.jitter * (this.#random() - 0.5)));
    const startMs = performance.now();
    for (const { afterMs, x, y } of pointerPath(from, to, durationMs, this.#random)) {
      await delay(Math.max(0, startMs + afterMs - performance.now()), this.#signal);
      this.hands.move(x, y);
    }
    await this.#pause(CLICK_MS.settle);
  }

  async #press(button: number): Promise<void> {
    this.hands.buttons(button);
    await this.#pause(CLICK_MS.hold);
    this.hands.buttons(0);
  }

  async #drag(from: Point, to: Point): Promise<void> {
    await this.#move(from);
    this.hands.buttons(BUTTONS.left);
    await this.#pause(CLICK_MS.settle);
    await this.#move(to);
    this.hands.buttons(0);
  }

  async #scroll(at: Point, by: number): Promise<void> {
    await this.#move(at);
    for (let i = 0; i < Math.abs(by); i++) {
      this.hands.buttons(by < 0 ? BUTTONS.wheelUp : BUTTONS.wheelDown);
      await this.#pause(NOTCH_MS / 4);
      this.hands.buttons(0);
      await this.#pause((NOTCH_MS * 3) / 4);
    }
  }
}
