import { delay, throwIfAborted } from "../../common/abort.ts";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import type { Progress } from "../../common/progress.ts";
import { readableEvents, type InputEvent } from "../../protocol/input-log.ts";
import type { Prepared } from "../../protocol/wire/messages.ts";
import { replaySummary, type ReplayReport } from "../../replayer/report.ts";
import type { ReplayPictures, ServiceContext } from "../context.ts";
import type { IncomingState } from "./incoming-state.ts";
import { Twin, type OpenTwin, type TwinOptions } from "./twin.ts";

/** How long the source stands still for a twin that is not ready; then it is cheaper to go on without. */
const READY_AFTER_LOG_MS = 45_000;

/** What became of the twin. Whatever went wrong with it costs bytes and nothing else. */
export interface TwinResult {
  /** Its blocks; null when there is none to be used. */
  readonly open: OpenTwin | null;
  readonly replay: Prepared["replay"];
  readonly replayMs: number;
  readonly notes: readonly string[];
}

export const NO_TWIN: TwinResult = { open: null, replay: null, replayMs: 0, notes: [] };

export interface TwinRunOptions extends Omit<TwinOptions, "signal"> {
  readonly files: Promise<IncomingState>;
  /** Segments of the input log, once all are there. */
  readonly log: Promise<readonly Buffer[]>;
  /** The log is complete and the twin starts on it; what it shows from then on. */
  readonly onReplay: (pictures: ReplayPictures) => void;
  /** The source does not want to wait for the replay any longer. */
  readonly enough: AbortSignal;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** A twin from its preparation to its opened, stopped state. */
export class TwinRun {
  readonly #ctx: ServiceContext;
  readonly #options: TwinRunOptions;
  readonly #notes: string[] = [];
  #twin: Twin | null = null;
  #open: OpenTwin | null = null;
  #replay: Prepared["replay"] = null;
  #replayMs = 0;
  /** Nothing was sent to be replayed, or nobody waits for it any more. */
  #isUnwanted = false;

  constructor(ctx: ServiceContext, options: TwinRunOptions) {
    this.#ctx = ctx;
    this.#options = options;
  }

  /** @throws only when the migration as a whole was stopped */
  async run(): Promise<TwinResult> {
    const { signal } = this.#options;
    try {
      this.#twin = await this.#prepare();
      const events = await this.#readLog();
      if (events.length > 0) {
        await this.#play(this.#twin, events);
        const files = await this.#options.files;
        this.#open = await this.#twin.open(files.baseRam, files.baseDisk, this.#options);
      }
    } catch (error) {
      throwIfAborted(signal);
      if (!this.#isUnwanted) this.#note("the twin could not be used", error);
      // What it took of disk and memory may be what the workspace itself needs.
      await this.destroy();
    }
    return { open: this.#open, replay: this.#replay, replayMs: this.#replayMs, notes: this.#notes };
  }

  /** Up to the first damage on the way, if there is any. */
  async #readLog(): Promise<InputEvent[]> {
    const segments = (await this.#options.log).map((data, seq) => ({ data, seq }));
    const readable = readableEvents(segments, (error) => {
      this.#note("not all of the input log could be replayed", error);
    });
    const events: InputEvent[] = [];
    for await (const event of readable) events.push(event);
    return events;
  }

  async #prepare(): Promise<Twin> {
    const late = new AbortController();
    const ready = new AbortController();
    const { log, enough } = this.#options;
    const drop = (): void => {
      this.#isUnwanted = true;
      late.abort(new HomewardError("CANCELLED", "nothing is to be replayed"));
    };
    if (enough.aborted) drop();
    enough.addEventListener("abort", drop, { signal: ready.signal });
    log
      .then((segments) => {
        if (segments.length === 0) drop();
        return delay(READY_AFTER_LOG_MS, ready.signal);
      })
      .then(
        () => {
          late.abort(new HomewardError("TIMEOUT", "it was not ready in time"));
        },
        () => undefined, // It was ready, or everything is over and the migration's own signal says so.
      );
    try {
      const signal = AbortSignal.any([this.#options.signal, late.signal]);
      return await Twin.prepare(this.#ctx, { ...this.#options, signal });
    } finally {
      ready.abort();
    }
  }

  /** A replay that fails half way leaves a twin that is half as useful, which is still useful; unless it has used up the disk. */
  async #play(twin: Twin, events: readonly InputEvent[]): Promise<void> {
    const started = performance.now();
    try {
      this.#replay = replayResult(await twin.replay(events, this.#options));
    } catch (error) {
      throwIfAborted(this.#options.signal);
      if (toHomewardError(error).code === "NO_ROOM") throw error;
      this.#note("the replay failed", error);
    } finally {
      this.#replayMs = performance.now() - started;
    }
  }

  #note(what: string, thrown: unknown): void {
    const error = toHomewardError(thrown);
    this.#ctx.log.warn({ err: error, migration: this.#options.migrationId }, what);
    this.#notes.push(`${what}: ${error.message}`.slice(0, 500));
  }

  /** Ends the twin and removes all that it has made. Never throws; may be repeated. */
  async destroy(): Promise<void> {
    const open = this.#open;
    const twin = this.#twin;
    this.#open = null;
    this.#twin = null;
    try {
      await open?.close();
      await twin?.destroy();
    } catch (error) {
      this.#ctx.log.error({ err: error, migration: this.#options.migrationId }, "ending the twin");
    }
  }
}

/** As much of a replay's path as is told of one that saved nothing, in bytes; it is told twice, there and back. */
const PATH_BYTES = 800;

/**
 * The account of a replay: where it kept to its path and where not, as far as telling it takes no more than what it saved.
 * @param savedBytes that did not have to be sent
 */
export function briefly(replay: Prepared["replay"], savedBytes: number): Prepared["replay"] {
  if (replay === null) return null;
  const { path } = replay.outcome;
  let bytes = 0;
  const told = path.filter((segment) => (bytes += Buffer.byteLength(JSON.stringify(segment))) <= Math.max(PATH_BYTES, savedBytes / 2));
  return { ...replay, outcome: { ...replay.outcome, path: told } };
}

function replayResult(report: ReplayReport): Prepared["replay"] {
  const { events, recordedMs, thinkMs, speed, checkpoints, gaveUp, maskedCells, path } = replaySummary(report);
  return {
    outcome: {
      gave_up: gaveUp?.slice(0, 500) ?? null,
      masked_cells: maskedCells,
      // Rounded down, so that the time it stands for is not too short.
      speed: Math.floor(speed * 1000) / 1000,
      path: path.map((segment) => ({
        kind: segment.kind,
        from_step: segment.fromStep,
        to_step: segment.toStep,
        text: segment.text.slice(0, 500),
      })),
    },
    recorded_s: recordedMs / 1000,
    think_s: thinkMs / 1000,
    events,
    checkpoints,
  };
}
