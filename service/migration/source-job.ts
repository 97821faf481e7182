import { randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import { abortable, throwIfAborted, withTimeout } from "../../common/abort.ts";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import type { Progress } from "../../common/progress.ts";
import type { MigrationMode, MigrationReport } from "../../protocol/report.ts";
import { decodeMessage, type Message } from "../../protocol/wire/messages.ts";
import type { ServiceContext } from "../context.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import type { AutoOptions } from "./auto-mode.ts";
import { mayGoOn } from "./decisions.ts";
import { Departure, type AtRest, type Departed } from "./departure.ts";
import { removeIncoming } from "./incoming-files.ts";
import type { SourceJournal } from "./journal.ts";
import { countingItself, makeReport, toldReport } from "./make-report.ts";
import { inOrder } from "./orders.ts";
import { PeerLink } from "./peer-link.ts";
import type { ReleasedData, Settlement } from "./settlement.ts";
import { unexpected } from "./unexpected.ts";
import { WaitingProgress } from "./waiting-progress.ts";
import { whenRoom } from "./when-room.ts";

/** How long the user waits for a destination that vanished after the release, before being told to look again later. */
const SETTLE_MS = 120_000;

export interface SourceJobOptions {
  readonly id: string;
  readonly kind: "migration" | "measurement";
  readonly workspace: string;
  readonly peer: string;
  /** The one that is offered. */
  readonly mode: MigrationMode;
  /** Where the source chooses once it knows more; null where the mode was asked for. */
  readonly auto: AutoOptions | null;
  readonly hold: boolean;
  readonly level: number | null;
  readonly base: GenerationRecord;
  readonly journal: SourceJournal;
  /** Files whose sizes go into the offer; the overlay only grows a little until it is sent. */
  readonly overlayPath: string;
  readonly devicePath: string;
  readonly atRest: (signal: AbortSignal) => Promise<AtRest>;
  /** Undoes `atRest`; called when nothing came of the migration, whether or not `atRest` was reached. */
  readonly goOn: () => Promise<void>;
  /** When the user asked for it (performance.now). */
  readonly clickedMs: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** The destination says that it took the workspace over. */
export class OvertakenError extends HomewardError {
  readonly fence: Message<"fence">;

  constructor(fence: Message<"fence">, peer: string) {
    super("CONFLICT", `${peer} took ${fence.workspace} over`);
    this.fence = fence;
  }
}

/** One migration or measurement as the source conducts it. */
export class SourceJob {
  readonly #ctx: ServiceContext;
  readonly #settlement: Settlement;
  readonly #options: SourceJobOptions;

  constructor(ctx: ServiceContext, settlement: Settlement, options: SourceJobOptions) {
    this.#ctx = ctx;
    this.#settlement = settlement;
    this.#options = options;
  }

  /** @throws whatever kept the workspace from moving; it goes on here then, unless it was released (PEER, `data.released`) */
  async run(): Promise<MigrationReport> {
    const { kind, signal } = this.#options;
    let link: PeerLink | null = null;
    let departed: Departed;
    try {
      link = await this.#connect();
      const keepOn = link.endOn(signal);
      departed = await this.#exchange(link);
      throwIfAborted(signal);
      if (kind === "migration") await this.#release(link, departed, keepOn);
      else keepOn();
    } catch (error) {
      await this.#giveUp(link, error);
      throw kind === "migration" ? this.#reassuring(error) : error;
    }
    link.endOn(this.#ctx.stopping);
    try {
      return kind === "migration" ? await this.#handOver(link, departed) : await this.#measured(link, departed);
    } finally {
      void link.close();
    }
  }

  /** Whoever is told what went wrong wants to know first whether something was lost. */
  #reassuring(thrown: unknown): HomewardError {
    const { code, message, hint, data } = toHomewardError(thrown);
    const goesOn = `${this.#options.workspace} goes on here, nothing was lost.`;
    return new HomewardError(code, message, { hint: hint === undefined ? goesOn : `${goesOn} ${hint}`, cause: thrown, data });
  }

  /** Nothing was given up: the workspace goes on here. @throws GUEST if it cannot */
  async #giveUp(link: PeerLink | null, error: unknown): Promise<void> {
    const { id, kind, journal, workspace, goOn } = this.#options;
    const { message } = toHomewardError(error);
    try {
      await whenRoom(this.#ctx, id, () =>
        inOrder("giveUp", {
          // The record first: a destination that asks in the meantime must get an answer.
          record: () => {
            if (journal.can("cancel")) journal.advance("cancel", { error: message });
            if (!mayGoOn(journal.state)) throw new HomewardError("INTERNAL", `${workspace} was released: ${message}`, { cause: error });
          },
          say: () => {
            // One that lost the connection may wait for it to come back.
            if (link?.isConnected === false && kind === "migration") this.#settlement.tellKept(this.#options);
            void link?.abort(error);
          },
          "go-on": goOn,
        }),
      );
    } catch (cause) {
      void link?.abort(error);
      const { code } = toHomewardError(cause);
      if (code === "NO_ROOM")
        throw new HomewardError("NO_ROOM", `${message}; and this computer's disk is full: ${workspace} stands still`, {
          cause,
          hint: "Free some room: it goes on by itself then.",
        });
      if (!mayGoOn(journal.state)) throw cause;
      throw new HomewardError("GUEST", `${message}; and ${workspace} could not go on here`, {
        cause,
        hint: "Its state is saved. Restart the service.",
      });
    } finally {
      await removeIncoming(this.#ctx, id);
    }
  }

  async #connect(): Promise<PeerLink> {
    const { peer, signal } = this.#options;
    this.#options.progress.update({ phase: "connect", done: 0, unit: "steps", note: peer });
    const stream = await this.#ctx.peers.connect(peer, signal);
    const session = randomBytes(16).toString("hex");
    const link = await PeerLink.open(stream, { host: this.#ctx.hostName, signal, session });
    if (link.peer !== peer) {
      const error = new HomewardError("PEER", `${link.peer} answers at the address of ${peer}`, {
        hint: "Check the addresses that the service was started with.",
      });
      void link.abort(error);
      throw error;
    }
    return link;
  }

  async #exchange(link: PeerLink): Promise<Departed> {
    const { id, kind, peer, workspace, base, journal, mode, auto, level } = this.#options;
    const progress = new WaitingProgress(this.#options.progress, peer);
    const signal = AbortSignal.any([this.#options.signal, link.signal]);
    link.onProgress = (update) => {
      progress.update(update);
    };
    await link.send("offer", await this.#offer());
    const answer = await link.receive();
    if (answer.name === "fence") {
      const fence = decodeMessage("fence", answer.payload);
      // Only of what was offered; whether it outranks this host's epoch is looked at once nothing is under way.
      if (fence.workspace === workspace) throw new OvertakenError(fence, peer);
    }
    if (answer.name !== "accept") throw unexpected(answer.name, "accept", peer);
    if (kind === "migration")
      link.outlast({
        ms: this.#ctx.patienceMs,
        connect: (tried) => this.#ctx.peers.connect(peer, tried),
        onOutage: (lastedMs) => {
          progress.outage(lastedMs);
        },
      });
    const departure = new Departure(this.#ctx, {
      link,
      id,
      base,
      journal,
      mode,
      auto,
      level,
      atRest: () => this.#options.atRest(signal),
      keeps: kind === "migration" ? "generation" : "nothing",
      progress,
      signal,
    });
    link.onProgress = (update) => {
      progress.update(update);
      departure.heard(update);
    };
    this.#ctx.activity.count(workspace, () => ({ bytes: link.bytes.toJSON(), blocks: departure.blocks }));
    const departed = await departure.run();
    journal.advance("peer-prepared");
    return departed;
  }

  async #offer(): Promise<Message<"offer">> {
    const { id, kind, workspace, mode, base, hold } = this.#options;
    const overlay = await stat(this.#options.overlayPath).catch(() => null);
    const device = await stat(this.#options.devicePath);
    return {
      id,
      kind,
      workspace,
      mode,
      base: base.root,
      machine: base.manifest.machine,
      overlay_bytes: overlay === null ? 0 : overlay.blocks * 512,
      device_bytes: device.size,
      hold,
      epoch: this.#ctx.store.workspaces.require(workspace).epoch,
    };
  }

  /**
   * From its record on this host never runs the workspace again.
   * @param keepOn makes the link outlast the user's cancel, in the same moment
   */
  #release(link: PeerLink, departed: Departed, keepOn: () => void): Promise<void> {
    const { id, journal, progress, signal } = this.#options;
    const { manifest, parts } = departed;
    if (parts === null) throw new HomewardError("INTERNAL", "a release without a generation to keep");
    const data: ReleasedData = { parts: { ...parts } };
    // Should this service end before it hears from the destination again, this much is known all the same.
    const report = this.#report(link, departed, null, ["this report was made before the workspace was taken"]);
    return inOrder("release", {
      record: () => {
        throwIfAborted(signal);
        journal.advance("release", { root: manifest.root, data, report });
        keepOn();
        // What follows is settled over any connection.
        link.endWithConnection();
      },
      say: async () => {
        progress.update({ phase: "resume", done: 0, unit: "steps", note: "released; it can no longer be cancelled" });
        // Whoever waits for the answer finds out that the link is gone.
        await link.send("release", { id }).catch(() => undefined);
      },
    });
  }

  async #handOver(link: PeerLink, departed: Departed): Promise<MigrationReport> {
    const { id, journal } = this.#options;
    const notes: string[] = [];
    const done = await this.#finishOver(link, notes);
    await this.#noteShipped(departed);
    const told = countingItself(toldReport(this.#report(link, departed, done, notes)));
    const report = { ...told, choice: departed.choice };
    journal.storeReport(report);
    await link.send("report", told).catch((error: unknown) => {
      this.#ctx.log.warn({ err: error, migration: id }, "the destination did not get the report");
    });
    return report;
  }

  /** Brings the destination, which was told, to take the workspace, over this link or, should it break, over another one later. */
  async #finishOver(link: PeerLink, notes: string[]): Promise<Message<"done"> | null> {
    const { id, peer } = this.#options;
    try {
      await link.expect("taken");
    } catch (error) {
      this.#ctx.log.warn({ err: error, migration: id }, "the link broke after the release");
      notes.push(`the connection to ${peer} broke after the release`);
      this.#settlement.keepTelling(id);
      await this.#waitTaken();
      return null;
    }
    const keeping = this.#settlement.peerTook(id).catch((error: unknown) => {
      // The workspace has moved all the same.
      this.#ctx.log.error({ err: error, migration: id }, "keeping the released state as a generation");
      this.#settlement.keepTelling(id);
      notes.push(`this host could not yet keep its copy as a generation: ${toHomewardError(error).message}`);
    });
    const done = await link.expect("done").catch(() => null);
    await keeping;
    return done;
  }

  async #waitTaken(): Promise<void> {
    const { id, peer, workspace } = this.#options;
    try {
      await withTimeout(abortable(this.#settlement.taken(id), this.#ctx.stopping), SETTLE_MS, peer);
    } catch (cause) {
      throw new HomewardError("PEER", `${workspace} was released, but ${peer} cannot be reached to take it`, {
        cause,
        hint: `It will take ${workspace} as soon as both services run and reach each other.`,
        data: { id, released: true },
      });
    }
  }

  /** For "homeward explain"; nothing else depends on it. */
  async #noteShipped({ shipped }: Departed): Promise<void> {
    const { id } = this.#options;
    try {
      await this.#ctx.store.shipped.write(id, { ram: shipped.ram.runs(), disk: shipped.disk.runs() });
    } catch (error) {
      this.#ctx.log.warn({ err: error, migration: id }, "noting which blocks were sent");
    }
  }

  async #measured(link: PeerLink, departed: Departed): Promise<MigrationReport> {
    const { journal, id } = this.#options;
    await this.#noteShipped(departed);
    const told = countingItself(toldReport(this.#report(link, departed, null, [])));
    const report = { ...told, choice: departed.choice };
    await link.send("report", told);
    journal.finishMeasurement(report, "measure");
    await removeIncoming(this.#ctx, id);
    return report;
  }

  #report(
    link: PeerLink,
    departed: Departed,
    done: Message<"done"> | null,
    notes: readonly string[],
  ): MigrationReport {
    const { id, workspace, peer, kind, base, hold, clickedMs } = this.#options;
    return makeReport(
      {
        id,
        workspace,
        from: this.#ctx.hostName,
        to: peer,
        kind,
        base: base.root,
        owner: kind === "migration" ? peer : this.#ctx.hostName,
        hold,
        departed,
        done,
        clickToUsableMs: performance.now() - clickedMs,
        notes: [...departed.notes, ...notes],
      },
      link.bytes,
    );
  }
}
