import type { ProgressUpdate } from "../../common/progress.ts";
import { readableEvents } from "../../protocol/input-log.ts";
import type { MigrationMode, ModeChoice } from "../../protocol/report.ts";
import { planReplay } from "../../replayer/plan.ts";
import type { ResidualSource, SourceStats } from "../../syncer/index.ts";
import { chooseMode, isWorthWaiting, predict, SETTLE_S, UNMEASURED_BITS, whyMode, type MoveFacts, type Prediction } from "./choose-mode.ts";
import type { Learned } from "./learn.ts";

/** How much recorded time has to be replayed before the pace of this replay counts as much as what was learned. */
const PACE_KNOWN_S = 10;
/** What is faster is too fast to tell. */
const MAX_BITS = 1e11;

/** What is asked of the source's side of the exchange. */
export interface IndexedSource extends Pick<ResidualSource, "index" | "sample"> {
  readonly stats: Pick<SourceStats, "distinct" | "hashBits"> & { readonly bytes: Pick<SourceStats["bytes"], "index"> };
}

export interface ChosenMode {
  readonly mode: MigrationMode;
  /** Messages of the index for it. */
  readonly index: readonly Buffer[];
}

export interface AutoOptions {
  readonly metered: boolean;
  readonly learned: Learned;
  /** When the user asked for the move (performance.now). */
  readonly clickedMs: number;
}

/** What the log says about a replay of it. */
interface Recording {
  /** Of each step: recorded seconds before it, think time left out. */
  readonly activeBeforeS: Float64Array;
  readonly activeS: number;
  readonly replayable: number;
  readonly usedNetwork: boolean;
}

/**
 * The choice between replay and overlay in one move: made once the machine stands still and the source knows what differs, and
 * looked at again while the other host replays, with the link measured by then and as fast as the replay turns out to be.
 */
export class AutoMode {
  readonly #options: AutoOptions;
  #recording: Recording | null = null;
  #facts: MoveFacts | null = null;
  #mode: MigrationMode = "overlay";
  #prediction: Prediction | null = null;
  #stopped: string | null = null;
  /** When the replay began there, and how long after that it was told at which step it is. */
  #begunMs: number | null = null;
  #tookS = 0;
  #step = 0;
  /** The replay is over, or nobody waits for it. */
  #over = false;

  constructor(options: AutoOptions) {
    this.#options = options;
  }

  /**
   * Makes the choice. The source's index was not sent yet; the one to send is returned.
   * @param log merged segments
   * @param level zstd level that the residual would be packed with
   */
  async choose(source: IndexedSource, log: readonly Buffer[], level: number): Promise<ChosenMode> {
    const { metered, learned, clickedMs } = this.#options;
    const withHashes = await all(source.index(true));
    const { bytes, distinct, hashBits } = source.stats;
    const sample = await source.sample(level);
    const recording = await readRecording(log);
    this.#recording = recording;
    this.#facts = {
      metered,
      activeS: recording?.activeS ?? null,
      replayable: recording?.replayable ?? 0,
      usedNetwork: recording?.usedNetwork ?? false,
      logBytes: log.reduce((sum, { length }) => sum + length, 0),
      indexBytes: { replay: bytes.index, overlay: bytes.index - Math.ceil((distinct * hashBits) / 8) },
      contents: distinct,
      contentBytes: sample.bytes,
      packS: sample.packSeconds,
      elapsedS: (performance.now() - clickedMs) / 1000,
      bitsPerSecond: Math.min(UNMEASURED_BITS, learned.bitsPerSecond ?? UNMEASURED_BITS),
    };
    this.#prediction = predict(this.#facts, learned);
    this.#mode = chooseMode(this.#facts, this.#prediction);
    if (this.#mode === "replay") return { mode: "replay", index: withHashes };
    return { mode: "overlay", index: await all(source.index(false)) };
  }

  /** What the other host showed of its progress. */
  heard({ phase, done }: ProgressUpdate): void {
    if (phase === "replay") {
      const now = performance.now();
      this.#begunMs ??= now;
      this.#tookS = (now - this.#begunMs) / 1000;
      this.#step = done;
    } else if (phase === "settle" || phase === "resolve") this.#over = true;
  }

  /** From now on the figures are those of the link as it was measured; null leaves them. */
  measured(bitsPerSecond: number | null): void {
    if (this.#facts === null || bitsPerSecond === null) return;
    this.#facts = { ...this.#facts, bitsPerSecond: Math.min(bitsPerSecond, MAX_BITS) };
    this.#prediction = predict(this.#facts, this.#options.learned);
  }

  /** Whether the other host is to be told that the rest of the replay is not waited for. Once it is, it stays so. */
  get isEnough(): boolean {
    if (this.#mode === "overlay" || this.#over || this.#facts === null || this.#recording === null) return false;
    if (this.#stopped !== null) return true;
    const { learned } = this.#options;
    const { activeS, activeBeforeS } = this.#recording;
    const doneS = activeBeforeS[Math.min(this.#step, activeBeforeS.length - 1)] ?? 0;
    const pace = (this.#tookS + learned.pace * PACE_KNOWN_S) / (doneS + PACE_KNOWN_S);
    const restS = Math.max(0, activeS - doneS) * pace;
    const done = activeS === 0 ? 0 : doneS / activeS;
    if (isWorthWaiting(this.#facts, learned, { done, restS })) return false;
    const percent = Math.round(100 * done);
    this.#stopped = `at ${percent} %: the rest would have taken another ${Math.round(restS + SETTLE_S)} s, and to send what it saves takes less`;
    return true;
  }

  /** For the report; null before the choice. */
  get choice(): ModeChoice | null {
    const [facts, prediction] = [this.#facts, this.#prediction];
    if (facts === null || prediction === null) return null;
    const { metered, bitsPerSecond } = facts;
    return {
      metered,
      why: whyMode(this.#mode, facts, prediction),
      ...prediction,
      bits_per_s: bitsPerSecond >= MAX_BITS ? null : Math.round(bitsPerSecond),
      stopped: this.#stopped,
    };
  }
}

async function all<T>(made: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of made) values.push(value);
  return values;
}

/** Null when there is nothing to replay. */
async function readRecording(log: readonly Buffer[]): Promise<Recording | null> {
  const events = await all(readableEvents(log.map((data, seq) => ({ data, seq })), () => undefined));
  const { steps, inputs, recordedMs, thinkMs } = await planReplay(events);
  const lastMs = events.at(-1)?.atMs ?? 0;
  if (inputs === 0) return null;
  return {
    activeBeforeS: Float64Array.from(steps, ({ activeBeforeMs }) => activeBeforeMs / 1000),
    activeS: Math.max(0, recordedMs - thinkMs) / 1000,
    replayable: lastMs === 0 ? 1 : recordedMs / lastMs,
    usedNetwork: events.some((event) => event.kind === "network" && event.connections > 0),
  };
}
