import type { InputEvent } from "../../protocol/input-log.ts";
import { CellHistory } from "../../recorder/cell-history.ts";
import { CheckpointMaker } from "../../recorder/checkpoint-maker.ts";
import { planReplay } from "../../replayer/plan.ts";
import { replay, type ReplayOptions, type ReplayReport } from "../../replayer/replay.ts";
import { ENTER, F2, FakeDesktop, SimulatedClock, type DesktopTraits } from "./replayer-world.ts";

/** Records as the recorder does: a picture before the first input after a pause, before Enter and before each press. */
export class FakeRecorder {
  readonly events: InputEvent[] = [];
  readonly #clock: SimulatedClock;
  readonly #desktop: FakeDesktop;
  readonly #history: CellHistory;
  readonly #maker = new CheckpointMaker();
  #lastInputMs = -1000;
  #buttons = 0;

  constructor(clock: SimulatedClock, desktop: FakeDesktop) {
    this.#clock = clock;
    this.#desktop = desktop;
    this.#history = new CellHistory(desktop.lumaGrid());
    desktop.onUpdate(() => {
      this.#history.update(desktop.grid, clock.now());
    });
  }

  checkpoint(): void {
    const now = this.#clock.now();
    const history = this.#history;
    const { width, height } = this.#desktop;
    const checkpoint = this.#maker.take({
      width,
      height,
      grid: history.grid,
      flickering: history.cellsThat((cell) => history.isFlickering(cell, now)),
      unsettled: history.cellsThat((cell) => history.isUnsettled(cell, now) && !history.isFlickering(cell, now)),
      ageMs: now - Math.max(0, history.lastChangeMs(now)),
    });
    this.events.push({ atMs: now, kind: "checkpoint", checkpoint });
  }

  #before(important: boolean): void {
    if (important || this.#clock.now() - this.#lastInputMs >= 250) this.checkpoint();
    this.#lastInputMs = this.#clock.now();
    this.#history.noteInput();
  }

  key(down: boolean, keysym: number): void {
    this.#before(down && keysym === ENTER);
    this.events.push({ atMs: this.#clock.now(), kind: "key", down, keysym, keycode: 0 });
    this.#desktop.key(down, keysym);
  }

  pointer(x: number, y: number, buttons: number): void {
    this.#before((buttons & ~this.#buttons) !== 0);
    this.#buttons = buttons;
    this.events.push({ atMs: this.#clock.now(), kind: "pointer", x, y, buttons });
    this.#desktop.pointer(x, y, buttons);
  }
}

/** A person at the fake desktop. */
export class Person {
  readonly #clock: SimulatedClock;
  readonly #recorder: FakeRecorder;

  constructor(clock: SimulatedClock, recorder: FakeRecorder) {
    this.#clock = clock;
    this.#recorder = recorder;
  }

  async press(keysym: number): Promise<void> {
    this.#recorder.key(true, keysym);
    await this.#clock.sleep(40);
    this.#recorder.key(false, keysym);
    await this.#clock.sleep(60);
  }

  async type(text: string): Promise<void> {
    for (const character of text) await this.press(character === "\n" ? ENTER : character.charCodeAt(0));
  }

  async click(x: number, y: number): Promise<void> {
    this.#recorder.pointer(x, y, 1);
    await this.#clock.sleep(70);
    this.#recorder.pointer(x, y, 0);
    await this.#clock.sleep(70);
  }

  look(ms: number): Promise<void> {
    return this.#clock.sleep(ms);
  }
}

/** Records what a person does on a fresh desktop, with the end picture. */
export async function record(
  traits: DesktopTraits,
  script: (person: Person, recorder: FakeRecorder) => Promise<void>,
): Promise<{ events: InputEvent[]; desktop: FakeDesktop }> {
  const clock = new SimulatedClock();
  const desktop = new FakeDesktop(clock, traits);
  const recorder = new FakeRecorder(clock, desktop);
  await clock.run(script(new Person(clock, recorder), recorder));
  recorder.checkpoint();
  return { events: recorder.events, desktop };
}

/** What a replay reported, and the desktop it was done to. */
export interface Outcome {
  readonly report: ReplayReport;
  readonly desktop: FakeDesktop;
}

/** Replays on a fresh desktop, changed by `prepare` first. */
export async function replayOn(
  traits: DesktopTraits,
  events: readonly InputEvent[],
  options: Partial<ReplayOptions> = {},
  prepare?: (desktop: FakeDesktop) => void,
): Promise<Outcome> {
  const clock = new SimulatedClock();
  const desktop = new FakeDesktop(clock, traits);
  prepare?.(desktop);
  const report = await clock.run(replay({ events, screen: desktop, sink: desktop, clock, ...options }));
  return { report, desktop };
}

/** A command, the editor's start, two lines for the editor. */
export async function shellThenEditor(person: Person): Promise<void> {
  await person.look(3000);
  await person.type("ls -la\n");
  await person.look(4000);
  await person.press(F2);
  await person.look(5000);
  await person.type("dear world\nhello\n");
  await person.look(2000);
}

/** How long a replay of these events may take, in milliseconds, at this speed. */
export async function limitOf(events: readonly InputEvent[], speed = 1): Promise<number> {
  const plan = await planReplay(events);
  return Math.ceil((1.3 * (plan.recordedMs - plan.thinkMs)) / speed) + 10_000;
}
