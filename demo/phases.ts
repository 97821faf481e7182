import type { Progress, ProgressUpdate } from "../common/progress.ts";
import { formatBytes } from "../common/quantities.ts";
import type { Reporter } from "./reporter.ts";

/** After this long without news the phase itself says how far it probably is. */
const SILENCE_MS = 1000;

/** Runs the demo's phases one after the other, shows how far each is, and remembers how long it took. */
export class Phases {
  readonly #reporter: Reporter;
  readonly #took: [title: string, seconds: number][] = [];

  constructor(reporter: Reporter) {
    this.#reporter = reporter;
  }

  /** Seconds of each phase so far. */
  get took(): readonly (readonly [title: string, seconds: number])[] {
    return this.#took;
  }

  /**
   * @param usualSeconds what the phase takes on two slow cores: where a step does not know its own end, this shows how far
   * it probably is
   */
  async run<T>(title: string, usualSeconds: number, work: (progress: Progress) => Promise<T>): Promise<T> {
    const startMs = performance.now();
    const elapsedMs = (): number => Math.round(performance.now() - startMs);
    let latest: ProgressUpdate = { phase: title, done: 0, unit: "ms" };
    let latestMs = startMs;
    const report = (update: ProgressUpdate): void => {
      latest = { ...update, phase: update.phase === title ? title : `${title}: ${update.phase}` };
      latestMs = performance.now();
      this.#reporter.update(withEnd(latest, elapsedMs(), usualSeconds));
    };
    const ticker = setInterval(() => {
      const silenceMs = performance.now() - latestMs;
      if (silenceMs >= SILENCE_MS) this.#reporter.update(withEnd(goneOn(latest, silenceMs), elapsedMs(), usualSeconds));
    }, SILENCE_MS / 2);
    this.#reporter.update({ phase: title, done: 0, unit: "ms" });
    try {
      const result = await work({ update: report });
      this.#took.push([title, elapsedMs() / 1000]);
      this.#reporter.phaseDone(title, elapsedMs() / 1000);
      return result;
    } finally {
      clearInterval(ticker);
    }
  }
}

/** An update of a while ago as it would be now: time goes on by itself, everything else only with news. */
function goneOn(update: ProgressUpdate, silenceMs: number): ProgressUpdate {
  const { unit, total, done } = update;
  return unit === "ms" && total !== undefined ? { ...update, done: Math.min(total, Math.round(done + silenceMs)) } : update;
}

/** An update without a total, with the phase's own time instead and what it said as a note. */
function withEnd(update: ProgressUpdate, elapsedMs: number, usualSeconds: number): ProgressUpdate {
  if (update.total !== undefined) return update;
  const { phase, done, unit, note = "" } = update;
  const amount = done === 0 || unit === "ms" ? "" : unit === "bytes" ? formatBytes(done) : `${done} ${unit}`;
  const usualMs = usualSeconds * 1000;
  return {
    phase,
    done: elapsedMs,
    unit: "ms",
    ...(elapsedMs < usualMs ? { total: usualMs } : {}),
    note: [amount, note].filter((part) => part !== "").join(", "),
  };
}
