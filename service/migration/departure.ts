import { abortable, throwIfAborted } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import type { Progress, ProgressUpdate } from "../../common/progress.ts";
import type { GenerationManifest } from "../../protocol/generation.ts";
import { mergeSegments, type NumberedSegment } from "../../protocol/input-log.ts";
import type { BlockOrigins, MigrationMode, ModeChoice } from "../../protocol/report.ts";
import { MODEL_LEVEL, MOST_ZSTD_LEVEL } from "../../protocol/residual/limits.ts";
import { DEVICE_PIECE_BYTES } from "../../protocol/wire.ts";
import { decodeMessage, type Prepared } from "../../protocol/wire/messages.ts";
import { answerNarrow, encodeDelta, type ResidualSource, type SourceStats } from "../../syncer/index.ts";
import type { ServiceContext } from "../context.ts";
import { freshDir } from "../store/durable.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import type { GenerationParts } from "../workspaces/workspace.ts";
import { AutoMode, type AutoOptions, type ChosenMode } from "./auto-mode.ts";
import type { Trees } from "./generation-parts.ts";
import { collectFrames } from "./collect-frames.ts";
import { incomingRunId } from "./incoming-files.ts";
import type { SourceJournal } from "./journal.ts";
import { LinkRate, residualLevel } from "./link-rate.ts";
import { inOrder } from "./orders.ts";
import { OutgoingState, type StateAtRest } from "./outgoing-state.ts";
import type { PeerLink } from "./peer-link.ts";
import { unexpected } from "./unexpected.ts";

/** Of a device state: it is small, and the link has nothing else to do meanwhile. */
const DEVICE_LEVEL = 19;
/** A bit a block, and what its compressed form may take beyond that. */
const NEED_BYTES_PER_BLOCK = 1;
const NEED_SPARE_BYTES = 64 * 1024;
/** How often it is looked at whether a replay is still worth waiting for. */
const LOOK_MS = 1000;

/** A state that stands still. */
export interface AtRest {
  readonly state: StateAtRest;
  /** The user has paused the recording. */
  readonly recordingPaused: boolean;
  /** The input log that led to it; without segments in overlay mode. */
  readonly log: readonly NumberedSegment[];
  /** What the user should know about it. */
  readonly notes: readonly string[];
}

export interface DepartureOptions {
  readonly link: PeerLink;
  readonly id: string;
  readonly base: GenerationRecord;
  readonly journal: SourceJournal;
  readonly mode: MigrationMode;
  /** Whether `mode`, "replay", only stands until more is known; null where it was asked for. */
  readonly auto: AutoOptions | null;
  /** Level of packing asked for; null chooses. */
  readonly level: number | null;
  readonly atRest: () => Promise<AtRest>;
  /** Whether the new generation's files are wanted here. */
  readonly keeps: "generation" | "nothing";
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** What the source knows once the destination is prepared. */
export interface Departed {
  readonly manifest: GenerationManifest;
  /** Null when nothing is to be kept. */
  readonly parts: GenerationParts | null;
  readonly prepared: Prepared;
  readonly stats: SourceStats;
  /** The blocks that were sent because the destination lacked them. */
  readonly shipped: ResidualSource["shipped"];
  readonly level: number;
  readonly mode: MigrationMode;
  readonly choice: ModeChoice | null;
  readonly notes: readonly string[];
  readonly seconds: {
    readonly suspend: number;
    readonly log: number;
    readonly index: number;
    readonly residual: number;
  };
}

/** The source's side of the exchange, from the accepted offer to the destination's `prepared`. */
export class Departure {
  readonly #ctx: ServiceContext;
  readonly #options: DepartureOptions;
  readonly #rate: LinkRate;
  readonly #auto: AutoMode | null;
  #recordingPaused = false;
  #blocks: BlockOrigins | null = null;

  constructor(ctx: ServiceContext, options: DepartureOptions) {
    this.#ctx = ctx;
    this.#options = options;
    this.#rate = new LinkRate(options.link);
    this.#auto = options.auto === null ? null : new AutoMode(options.auto);
  }

  /** Where the destination finds the changed blocks; null before it has looked. */
  get blocks(): BlockOrigins | null {
    return this.#blocks;
  }

  /** @throws whatever goes wrong; nothing was given up yet then */
  async run(): Promise<Departed> {
    const { journal, id, base, progress, signal, link } = this.#options;
    const clock = new PhaseClock();
    const { state, recordingPaused, log, notes } = await this.#suspend();
    this.#recordingPaused = recordingPaused;
    const suspend = clock.next();
    const { merged, logNotes } = await this.#mergeLog(log);
    if (this.#auto === null) await this.#sendLog(merged);
    let logSeconds = clock.next();
    await freshDir(this.#ctx.store.paths.incomingOf(id));
    const { dir: runDir } = await this.#ctx.runDirs.create(incomingRunId(id));
    const outgoing = await OutgoingState.open(this.#ctx, { state, base, hasTwin: log.length > 0, runDir, progress, signal });
    try {
      const chosen = await this.#choose(outgoing, merged);
      let index = clock.next();
      if (chosen !== null) await this.#sendLog(chosen.mode === "replay" ? merged : []);
      logSeconds += clock.next();
      await this.#sendIndex(chosen?.index ?? outgoing.source.index());
      journal.advance("index");
      await this.#sendDevice(state, base.devicePath);
      const trees = await outgoing.trees();
      const manifest = await outgoing.manifest(trees);
      await link.send("manifest", manifest);
      index += clock.next();
      const level = await this.#sendResidual(outgoing, clock);
      const residual = clock.next();
      const [parts, prepared] = await this.#finish(outgoing, manifest, trees, level);
      throwIfAborted(signal);
      const seconds = { suspend, log: logSeconds, index, residual };
      const { stats, shipped } = outgoing.source;
      const mode = chosen?.mode ?? this.#options.mode;
      const choice = this.#auto?.choice ?? null;
      return { manifest, parts, prepared, stats, shipped, level, mode, choice, notes: [...notes, ...logNotes], seconds };
    } finally {
      await outgoing.close();
      await this.#ctx.runDirs.remove(incomingRunId(id));
    }
  }

  async #suspend(): Promise<AtRest> {
    const saved: AtRest[] = [];
    await inOrder("suspend", {
      save: async () => saved.push(await this.#options.atRest()),
      record: () => {
        this.#options.journal.advance("suspend");
      },
    });
    const [atRest] = saved;
    if (atRest === undefined) throw new HomewardError("INTERNAL", "nothing was saved");
    return atRest;
  }

  /** What was recorded in many small pieces compresses better as few large ones. */
  async #mergeLog(segments: readonly NumberedSegment[]): Promise<{ readonly merged: readonly Buffer[]; readonly logNotes: readonly string[] }> {
    const { id } = this.#options;
    const logNotes: string[] = [];
    const merged = await mergeSegments(segments, (error) => {
      this.#ctx.log.error({ err: error, migration: id }, "reading the input log");
      logNotes.push(`${error.message}; what was done after that could not be replayed`);
    });
    return { merged, logNotes };
  }

  /** Where the mode was left to this host: what it takes, and the index for it. */
  async #choose(outgoing: OutgoingState, log: readonly Buffer[]): Promise<ChosenMode | null> {
    if (this.#auto === null) return null;
    // The model of pages would take too long for what it tells more.
    const chosen = await this.#auto.choose(outgoing.source, log, Math.min(MOST_ZSTD_LEVEL, this.#level(outgoing.source.stats.distinct)));
    this.#options.journal.noteMode(chosen.mode);
    return chosen;
  }

  /** @param blocks how many are to be sent */
  #level(blocks: number): number {
    const { level, auto } = this.#options;
    return level ?? (auto?.metered === true ? MODEL_LEVEL : residualLevel(this.#rate.bitsPerSecond, blocks));
  }

  /** What the other host showed of its progress. */
  heard(update: ProgressUpdate): void {
    this.#auto?.heard(update);
  }

  /** Looks, until it is stopped, whether the replay there is still worth waiting for, and says so if it is not. */
  #watchReplay(): () => void {
    const auto = this.#auto;
    if (auto === null) return () => undefined;
    const look = (): void => {
      auto.measured(this.#rate.bitsPerSecond);
      // Said again each time: what is about the link itself may get lost with a connection.
      if (auto.isEnough) this.#options.link.sendBytes("stopReplay").catch(() => undefined);
    };
    look();
    const timer = setInterval(look, LOOK_MS);
    return () => {
      clearInterval(timer);
      auto.measured(this.#rate.bitsPerSecond);
    };
  }

  async #sendLog(merged: readonly Buffer[]): Promise<void> {
    const { link } = this.#options;
    const startedMs = performance.now();
    for (const segment of merged) await link.sendBytes("logSegment", segment);
    this.#rate.note(
      merged.reduce((sum, { length }) => sum + length, 0),
      startedMs,
    );
    await link.sendBytes("logEnd");
  }

  async #sendIndex(messages: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<void> {
    const { link } = this.#options;
    for await (const message of messages) {
      const startedMs = performance.now();
      await link.sendBytes("index", message);
      this.#rate.note(message.length, startedMs);
    }
    await link.sendBytes("indexEnd");
  }

  async #sendDevice(state: StateAtRest, basePath: string | null): Promise<void> {
    const { link, signal } = this.#options;
    // Seconds of compression, which nobody waits for who changed their mind.
    const delta = await abortable(encodeDelta(state.devicePath, basePath, DEVICE_LEVEL), signal);
    const startedMs = performance.now();
    for (let at = 0; at < delta.length; at += DEVICE_PIECE_BYTES)
      await link.sendBytes("device", delta.subarray(at, at + DEVICE_PIECE_BYTES));
    this.#rate.note(delta.length, startedMs);
    await link.send("deviceEnd", { whole: basePath === null, recording_paused: this.#recordingPaused });
  }

  /** Waits for what the destination lacks, while it may still be replaying, and sends it. */
  async #sendResidual(outgoing: OutgoingState, clock: PhaseClock): Promise<number> {
    const { link, journal } = this.#options;
    const { ramDirty, diskDirty } = outgoing.source.stats;
    const needBytes = NEED_SPARE_BYTES + (ramDirty + diskDirty) * NEED_BYTES_PER_BLOCK;
    const unwatch = this.#watchReplay();
    const { payloads: need, end } = await collectFrames(link, "need", "needEnd", needBytes).finally(unwatch);
    const blocks = decodeMessage("needEnd", end);
    this.#blocks = blocks;
    journal.advance("ship");
    // Waiting for the replay is not part of any phase of this side.
    clock.next();
    const level = this.#level(blocks.shipped);
    for await (const frame of outgoing.source.residual(need, level)) await link.sendBytes("residual", frame);
    await link.sendBytes("residualEnd");
    return level;
  }

  /** Answers the destination's questions until it is prepared; meanwhile writes this host's own part. */
  async #finish(
    outgoing: OutgoingState,
    manifest: GenerationManifest,
    trees: Trees,
    level: number,
  ): Promise<[GenerationParts | null, Prepared]> {
    const { id, keeps } = this.#options;
    const writing =
      keeps === "generation"
        ? outgoing.writeParts(manifest, trees, this.#ctx.store.paths.incomingOf(id))
        : Promise.resolve(null);
    writing.catch(() => undefined); // Awaited below, after the destination had its say.
    try {
      const prepared = await this.#answer(outgoing, trees, level);
      if (prepared.root !== manifest.root)
        throw new HomewardError("DAMAGED", "the other host prepared something else than what was sent", {
          data: { expected: manifest.root, actual: prepared.root },
        });
      return [await writing, prepared];
    } finally {
      await writing.catch(() => null);
    }
  }

  async #answer(outgoing: OutgoingState, trees: Trees, level: number): Promise<Prepared> {
    const { link } = this.#options;
    for (;;) {
      const frame = await link.receive();
      switch (frame.name) {
        case "treeQuery":
          await link.sendBytes("treeHashes", answerNarrow(frame.payload, trees));
          break;
        case "refetch":
          for await (const blocks of outgoing.source.refetch(frame.payload, level))
            await link.sendBytes("residual", blocks);
          await link.sendBytes("residualEnd");
          break;
        case "deviceAgain":
          await this.#sendDevice(outgoing.state, null);
          break;
        case "prepared":
          return decodeMessage("prepared", frame.payload);
        default:
          throw unexpected(frame.name, "prepared", link.peer);
      }
    }
  }
}

/** Seconds since it was last asked. */
class PhaseClock {
  #last = performance.now();

  next(): number {
    const now = performance.now();
    const seconds = (now - this.#last) / 1000;
    this.#last = now;
    return seconds;
  }
}
