import { isDeepStrictEqual } from "node:util";
import { HomewardError } from "../../common/errors.ts";
import type { Progress } from "../../common/progress.ts";
import type { GenerationManifest } from "../../protocol/generation.ts";
import type { BlockOrigins } from "../../protocol/report.ts";
import { decodeMessage, type Message, type Prepared } from "../../protocol/wire/messages.ts";
import { BLOCK_BYTES, type ResidualSink, type VerifiedTrees } from "../../syncer/index.ts";
import type { ServiceContext } from "../context.ts";
import { freshDir } from "../store/durable.ts";
import type { GenerationRecord, NewGeneration } from "../store/generations-store.ts";
import { collectFrames } from "./collect-frames.ts";
import { IncomingState } from "./incoming-state.ts";
import type { DestinationJournal } from "./journal.ts";
import type { PeerLink } from "./peer-link.ts";
import { incomingRunId, removeIncoming } from "./incoming-files.ts";
import { briefly, NO_TWIN, TwinRun, type TwinResult } from "./twin-run.ts";

/** All segments of one log. */
const MAX_LOG_BYTES = 32 * 1024 * 1024;
/** The index takes at most 6 bytes a dirty block; the rest is headers and chance. */
const INDEX_BYTES_PER_BLOCK = 12;
const INDEX_SPARE_BYTES = 1024 * 1024;
/** A delta is smaller than the state; a whole one is compressed. */
const DEVICE_SPARE_BYTES = 1024 * 1024;

export interface ArrivalOptions {
  readonly link: PeerLink;
  readonly offer: Message<"offer">;
  readonly base: GenerationRecord;
  /** What a generation that is no migration's is for; a measurement has none, and drops it. */
  readonly install?: (generation: NewGeneration) => Promise<void>;
  /** Why no twin may run; null when one may. */
  readonly withoutTwin: string | null;
  readonly journal: DestinationJournal;
  readonly progress: Progress;
  /** Fires when the link breaks or the service stops. */
  readonly signal: AbortSignal;
}

interface Received {
  readonly index: readonly Buffer[];
  readonly device: Buffer;
  readonly isWholeDevice: boolean;
  readonly manifest: GenerationManifest;
}

/** The destination's side of the exchange, from the accepted offer to the verified new files. */
export class Arrival {
  readonly #ctx: ServiceContext;
  readonly #options: ArrivalOptions;
  readonly #log = Promise.withResolvers<readonly Buffer[]>();
  /** Fires when any part of the exchange failed, so that the others end too. */
  readonly #failed = new AbortController();
  readonly #signal: AbortSignal;
  /** Fires when the source does not want to wait for the replay any longer. */
  readonly #enough = new AbortController();
  #files: Promise<IncomingState> | null = null;
  #twin: TwinRun | null = null;
  #twinDone: Promise<TwinResult> = Promise.resolve(NO_TWIN);
  /** Whether the generation was not there before: then a migration that comes to nothing removes it again. */
  #recordingPaused = false;
  #isNewGeneration = false;
  #prepared: Prepared | null = null;
  #blocks: BlockOrigins | null = null;

  constructor(ctx: ServiceContext, options: ArrivalOptions) {
    this.#ctx = ctx;
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#failed.signal]);
    // Without a twin nobody waits for the log.
    this.#log.promise.catch(() => undefined);
  }

  /**
   * Receives and verifies. A migration's new generation is stored, and the journal says `prepared`, when this returns;
   * a measurement's files are gone again.
   */
  async run(): Promise<void> {
    const { link, offer, journal } = this.#options;
    this.#ctx.activity.count(offer.workspace, () => ({ bytes: link.bytes.toJSON(), blocks: this.#blocks }));
    try {
      await link.sendBytes("accept");
      const files = await this.#prepare();
      const received = await this.#receive();
      const twin = await this.#twinDone;
      journal.advance("resolve");
      const state = await files.state;
      const { trees, prepared } = await this.#build(state, received, twin);
      const { install } = this.#options;
      if (offer.kind === "migration") await this.#store(state, received.manifest, trees);
      else if (install !== undefined) await install(await state.complete(received.manifest, trees));
      if (offer.kind !== "migration") journal.advance("prepare");
      this.#prepared = prepared;
    } catch (error) {
      this.#log.reject(error);
      this.#failed.abort(error);
      throw error;
    } finally {
      await this.#cleanUp();
    }
  }

  /** What to tell the source once `run` is over. */
  get prepared(): Prepared {
    if (this.#prepared === null) throw new HomewardError("INTERNAL", "nothing is prepared yet");
    return this.#prepared;
  }

  /** Begins what can be made ready while the user still works on the other host. */
  async #prepare(): Promise<{ readonly state: Promise<IncomingState> }> {
    const { offer, base, withoutTwin, progress, journal, link } = this.#options;
    const signal = this.#signal;
    const dir = this.#ctx.store.paths.incomingOf(offer.id);
    await freshDir(dir);
    const { dir: runDir } = await this.#ctx.runDirs.create(incomingRunId(offer.id));
    const files = IncomingState.create(this.#ctx, { dir, runDir, base, progress, signal });
    // Not only where it is awaited: the source stands still until it hears of it.
    files.catch((error: unknown) => link.abort(error));
    this.#files = files;
    // Where nothing is to be replayed, nobody misses a twin.
    if (withoutTwin !== null) this.#twinDone = this.#log.promise.then((log) => (log.length === 0 ? NO_TWIN : { ...NO_TWIN, notes: [withoutTwin] }));
    else if (offer.mode === "replay") {
      this.#twin = new TwinRun(this.#ctx, {
        migrationId: offer.id,
        base,
        dir,
        runDir,
        signal,
        progress,
        files,
        log: this.#log.promise,
        enough: this.#enough.signal,
        onReplay: (pictures) => {
          journal.advance("replay");
          this.#ctx.activity.showReplay(offer.workspace, pictures);
        },
      });
      link.onStopReplay = () => {
        this.#enough.abort();
      };
      this.#twinDone = this.#twin.run();
    }
    this.#twinDone.catch(() => undefined);
    return { state: files };
  }

  /** Takes everything that the source sends by itself, while the twin replays. */
  async #receive(): Promise<Received> {
    const { link, offer } = this.#options;
    const log = await collectFrames(link, "logSegment", "logEnd", MAX_LOG_BYTES);
    this.#log.resolve(log.payloads);
    const blocks = (offer.machine.memoryBytes + offer.machine.diskBytes) / BLOCK_BYTES;
    const indexBytes = blocks * INDEX_BYTES_PER_BLOCK + INDEX_SPARE_BYTES;
    const { payloads: index } = await collectFrames(link, "index", "indexEnd", indexBytes);
    const { device, isWholeDevice } = await this.#receiveDevice();
    const manifest = await link.expect("manifest");
    if (manifest.parent !== offer.base)
      throw new HomewardError("PEER", "the other host sent the state of another generation");
    // What is verified in the end is a state of the machine that was offered; no other may be written down with it.
    if (!isDeepStrictEqual(manifest.machine, offer.machine))
      throw new HomewardError("PEER", "the other host sent the state of another machine");
    return { index, device, isWholeDevice, manifest };
  }

  async #receiveDevice(): Promise<{ device: Buffer; isWholeDevice: boolean }> {
    const { link, offer } = this.#options;
    const { payloads, end } = await collectFrames(link, "device", "deviceEnd", offer.device_bytes + DEVICE_SPARE_BYTES);
    const { whole, recording_paused } = decodeMessage("deviceEnd", end);
    this.#recordingPaused = recording_paused;
    return { device: Buffer.concat(payloads), isWholeDevice: whole };
  }

  async #build(
    state: IncomingState,
    received: Received,
    twin: TwinResult,
  ): Promise<{ trees: VerifiedTrees; prepared: Prepared }> {
    const { journal, link } = this.#options;
    const startedMs = performance.now();
    const sink = state.begin(twin.open?.devices ?? null);
    for (const message of received.index) await sink.addIndex(message);
    const need = await sink.resolve();
    journal.advance("build");
    const resolvedMs = performance.now();
    this.#blocks = blocksOf(sink);
    for (const message of need) await link.sendBytes("need", message);
    await link.send("needEnd", this.#blocks);
    for await (const frame of link.stream("residual", "residualEnd")) await sink.addResidual(frame);
    await sink.finish();
    const finishedMs = performance.now();
    const notes = [...twin.notes];
    if (!(await state.writeDevice(received.device, received.isWholeDevice, received.manifest))) {
      notes.push("the device state had to be sent again");
      await this.#fetchDeviceAgain(state, received.manifest);
    }
    const trees = await state.verify(received.manifest, this.#questions(link));
    if (trees.refetched > 0) notes.push(`${trees.refetched} blocks had to be sent again`);
    return {
      trees,
      prepared: {
        root: received.manifest.root,
        blocks: blocksOf(sink),
        replay: briefly(twin.replay, savedBytes(sink)),
        replay_s: twin.replayMs / 1000,
        resolve_s: (resolvedMs - startedMs) / 1000,
        verify_s: (performance.now() - finishedMs) / 1000,
        notes,
      },
    };
  }

  async #fetchDeviceAgain(state: IncomingState, manifest: GenerationManifest): Promise<void> {
    await this.#options.link.sendBytes("deviceAgain");
    const { device, isWholeDevice } = await this.#receiveDevice();
    if (!(await state.writeDevice(device, isWholeDevice, manifest)))
      throw new HomewardError("DAMAGED", "the device state that was received is not what was sent");
  }

  /** How the verification asks the source about what differs. */
  #questions(link: PeerLink): Parameters<IncomingState["verify"]>[1] {
    return {
      askNodes: async (request) => {
        await link.sendBytes("treeQuery", request);
        return link.expectFrame("treeHashes");
      },
      askBlocks: async function* (request) {
        await link.sendBytes("refetch", request);
        yield* link.stream("residual", "residualEnd");
      },
    };
  }

  /** The new generation becomes part of this host's store in the same moment as the migration becomes `prepared`. */
  async #store(state: IncomingState, manifest: GenerationManifest, trees: VerifiedTrees): Promise<void> {
    const { journal, offer } = this.#options;
    const generation = await state.complete(manifest, trees);
    this.#isNewGeneration = this.#ctx.store.generations.get(manifest.root) === null;
    await this.#ctx.store.generations.install(generation, () => {
      journal.advance("prepare", {
        root: manifest.root,
        data: { hold: offer.hold, newGeneration: this.#isNewGeneration, recordingPaused: this.#recordingPaused },
      });
    });
  }

  /** Everything but the stored generation goes: sockets, twin, unfinished files. */
  async #cleanUp(): Promise<void> {
    await this.#twinDone.catch(() => undefined);
    const files = await this.#files?.catch(() => null);
    await files?.close();
    await this.#twin?.destroy();
    const { id } = this.#options.offer;
    await this.#ctx.runDirs.remove(incomingRunId(id));
    await removeIncoming(this.#ctx, id);
  }
}

/** About what the contents that the twin had would have taken on the link. */
function savedBytes({ stats: { twin, shipped, bytes } }: ResidualSink): number {
  // Where nothing was sent there is nothing to go by, and nothing more could be saved.
  return shipped === 0 ? twin * BLOCK_BYTES : (twin * bytes.residual) / shipped;
}

function blocksOf(sink: ResidualSink): BlockOrigins {
  const { generation, twin, zero, shipped } = sink.stats;
  return { generation, twin, zero, shipped };
}
