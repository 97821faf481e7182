import type { Duplex } from "node:stream";
import type { Logger } from "pino";
import type { Progress, ProgressUpdate } from "../common/progress.ts";
import type { BlockOrigins, ByteCounts } from "../protocol/report.ts";
import type { HashPool } from "../syncer/hash-pool.ts";
import type { MachineDefinition } from "../protocol/machine.ts";
import type { AcceleratorProbe } from "../vm/accelerator.ts";
import type { Picture } from "../vm/rfb/shrink.ts";
import type { GenerationCheck } from "./generation-check.ts";
import type { Right } from "./peers/rights.ts";
import type { LayDowns } from "./push/lay-downs.ts";
import type { RunDirs } from "./run-dirs.ts";
import type { Store } from "./store/store.ts";
import type { Workspaces } from "./workspaces/workspaces.ts";

/** The other hosts this one knows. */
export interface Peers {
  list(): readonly { readonly name: string; readonly address: string }[];
  /** Known by a socket only, where its name is a claim and everything is allowed. */
  isClaimed(name: string): boolean;
  /** @throws CONFLICT if the host may not do this with that workspace */
  requireRight(peer: string, right: Right, workspace: string): void;
  /** Whether the host may know of that workspace: it may bring it here, or take it from here. */
  shares(peer: string, workspace: string): boolean;
  noteSeen(name: string): void;
  /** A new connection, with nothing sent on it. @throws NOT_FOUND for an unknown name, PEER if it does not answer */
  connect(name: string, signal?: AbortSignal): Promise<Duplex>;
}

/** What a migration has counted so far; blocks once it was looked up where they are. */
export interface MigrationFigures {
  readonly bytes: ByteCounts;
  readonly blocks: BlockOrigins | null;
}

/** What a replay shows: the twin's screen, and the recorded one that it is compared with, a pixel for each cell. */
export interface ReplayPictures {
  readonly twin: () => Picture;
  readonly recorded: () => Picture;
}

/** How far the long operation of each workspace is, for `status`; a migration on either end reports here. */
export class Activity {
  readonly #updates = new Map<string, ProgressUpdate>();
  readonly #figures = new Map<string, () => MigrationFigures>();
  readonly #pictures = new Map<string, ReplayPictures>();

  /** Progress that also shows up in `status` of that workspace, passed on to `next`. */
  watch(workspace: string, next?: Progress): Progress {
    return {
      update: (update) => {
        this.#updates.set(workspace, update);
        next?.update(update);
      },
    };
  }

  get(workspace: string): ProgressUpdate | null {
    return this.#updates.get(workspace) ?? null;
  }

  /** From now on the figures are asked for when somebody wants to see them. */
  count(workspace: string, figures: () => MigrationFigures): void {
    this.#figures.set(workspace, figures);
  }

  figures(workspace: string): MigrationFigures | null {
    return this.#figures.get(workspace)?.() ?? null;
  }

  showReplay(workspace: string, pictures: ReplayPictures): void {
    this.#pictures.set(workspace, pictures);
  }

  replay(workspace: string): ReplayPictures | null {
    return this.#pictures.get(workspace) ?? null;
  }

  /** The operation is over. */
  clear(workspace: string): void {
    this.#updates.delete(workspace);
    this.#figures.delete(workspace);
    this.#pictures.delete(workspace);
  }
}

/** What the parts of one running service share. */
export interface ServiceContext {
  readonly hostName: string;
  readonly store: Store;
  readonly workspaces: Workspaces;
  readonly hashPool: HashPool;
  readonly runDirs: RunDirs;
  readonly generationCheck: GenerationCheck;
  readonly peers: Peers;
  readonly activity: Activity;
  readonly layDowns: LayDowns;
  readonly log: Logger;
  /** A twin's input is typed and clicked in a viewer's window, not sent to its QEMU. */
  readonly replayInViewer: boolean;
  /** How long a migration waits for a lost connection to come back, in milliseconds. */
  readonly patienceMs: number;
  /** Fires when the service stops. */
  readonly stopping: AbortSignal;
  /** Probed once and remembered. */
  accelerator(): Promise<AcceleratorProbe>;
  /** Resolves if machines can have a network of their own here; tried once and remembered. @throws ENVIRONMENT with why not */
  ownNetwork(): Promise<void>;
  /** "7.2", the major.minor of this host's QEMU. @throws ENVIRONMENT when it is missing */
  qemuVersion(): Promise<string>;
  /** Lets QEMU try the machine's type and CPU. @throws INCOMPATIBLE if this computer does not have them, ENVIRONMENT */
  requireHardware(machine: MachineDefinition): Promise<void>;
}
