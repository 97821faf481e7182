import { HomewardError } from "../../common/errors.ts";
import { noProgress } from "../../common/progress.ts";
import type { WorkspaceState, WorkspaceStatus } from "../../protocol/control.ts";
import type { MachineDefinition } from "../../protocol/machine.ts";
import type { LogStore } from "../../recorder/log-store.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import type { WorkspaceRow } from "../store/workspaces-table.ts";
import type { OperationOptions, WorkspaceDeps } from "./dependencies.ts";
import { DISK_FULL_NOTE, DiskFullWatch, freeBytes } from "./disk-full.ts";
import { pausedState, pauseForMigration, release, resumePaused, take } from "./hand-over.ts";
import { MachineControl } from "./machine-control.ts";
import { removeWorkspace, requireOwned } from "./ownership.ts";
import type { RunningMachine } from "./running-machine.ts";
import type { GenerationParts, SuspendedState } from "./saved-machine.ts";
import { sealMachine } from "./seal.ts";
import { Turns } from "./turns.ts";

export type { OperationOptions } from "./dependencies.ts";
export type { GenerationParts, SavedMachine, SuspendedState } from "./saved-machine.ts";

export type PowerAction = "reset" | "powerdown" | "off";

const FAILURE_NOTE = "QEMU ended unexpectedly; the disk is as it was then";

/** One workspace on this host. Its operations exclude each other: a second one is refused with CONFLICT. */
export class Workspace {
  readonly name: string;
  readonly #deps: WorkspaceDeps;
  readonly #control: MachineControl;
  readonly #turns: Turns;
  readonly #onGeneration: () => void;
  readonly #diskFull: DiskFullWatch;

  /** @param onGeneration it has got another base */
  constructor(deps: WorkspaceDeps, row: WorkspaceRow, onGeneration: () => void) {
    this.#deps = deps;
    this.#onGeneration = onGeneration;
    this.name = row.name;
    const onGone = (): void => {
      this.#settleGone();
    };
    this.#turns = new Turns(row.name, onGone);
    const onNoRoom = (): void => {
      this.#deps.log.warn({ workspace: this.name }, "no room for what the machine writes; it stands still");
      void this.#diskFull.stood();
    };
    this.#control = new MachineControl(deps, row, { onGone, onNoRoom, onPauseKey: this.#onPauseKey.bind(this) });
    this.#diskFull = new DiskFullWatch({
      stands: () => this.stalled !== null,
      freeBytes: () => freeBytes(this.#control.paths.overlay),
      goOn: () => this.#turns.keepHouse("going on", () => this.#control.goOn()),
      stopping: deps.stopping,
      onError: (error) => {
        deps.log.warn({ err: error, workspace: this.name }, "letting the machine go on");
      },
    });
  }

  /** "here", or the name of the host that may run it. */
  get owner(): string {
    return this.row.owner ?? "here";
  }

  /** Root of the generation that its input log starts at; null before the first. */
  get base(): string | null {
    return this.row.base;
  }

  get state(): WorkspaceState {
    return this.doing === null || this.row.state === "paused-for-migration" ? this.row.state : "busy";
  }

  /** What it is busy with; null when it is not. */
  get doing(): string | null {
    return this.#turns.doing;
  }

  /** What keeps its machine from running; null if nothing does. */
  get stalled(): WorkspaceStatus["stalled"] {
    return this.running?.isOutOfRoom() === true ? "disk-full" : null;
  }

  /** Something that the user should know; null for nothing. */
  get note(): string | null {
    return this.stalled === null ? this.row.note : DISK_FULL_NOTE;
  }

  /** Something is done with it, be it only housekeeping. */
  get isTaken(): boolean {
    return this.#turns.taken;
  }

  get machine(): MachineDefinition {
    return this.row.machine;
  }

  get row(): WorkspaceRow {
    return this.#control.row;
  }

  /** Null when there is no QEMU; it may be paused. */
  get running(): RunningMachine | null {
    return this.#control.running;
  }

  /** The input log of this workspace, all generations. */
  get inputLog(): LogStore {
    return this.#control.inputLog;
  }

  /** Resolves when the operation that is under way now, if any, is over. */
  idle(): Promise<void> {
    return this.#turns.idle();
  }

  /** Someone asks for it: it must be owned here and not be on its way to somewhere else. */
  async #requireHere(): Promise<void> {
    requireOwned(this.#deps, this.row);
    await this.#control.requireAnswering();
  }

  async #requireRunning(): Promise<RunningMachine> {
    await this.#requireHere();
    const { running } = this;
    if (running !== null && this.row.state === "running") return running;
    throw new HomewardError("CONFLICT", `${this.name} does not run`, { hint: `"homeward start ${this.name}" starts it.` });
  }

  /** An operation that a user waits for: shown in `status` while it lasts, and stopped when the service ends. */
  async #shown<T>(options: OperationOptions, work: (options: OperationOptions) => Promise<T>): Promise<T> {
    const { stopping } = this.#deps;
    const signals = [options.signal, stopping.aborted ? undefined : stopping].filter((signal) => signal !== undefined);
    try {
      return await work({
        signal: AbortSignal.any(signals),
        progress: this.#deps.activity.watch(this.name, options.progress ?? noProgress),
      });
    } finally {
      this.#deps.activity.clear(this.name);
    }
  }

  /** Once, at the start of the service: finds the machine that an earlier one left. */
  adopt(): Promise<void> {
    return this.#turns.ask("adoption", () => this.#control.adopt());
  }

  /**
   * Runs the machine: from its saved state, from its generation, by turning it on, or by letting it go on if it stands still.
   * Does nothing if it runs.
   * @throws CONFLICT if it is owned elsewhere, busy or being migrated; INCOMPATIBLE, GUEST, NO_ROOM, CANCELLED
   */
  start(options: OperationOptions = {}): Promise<void> {
    return this.#turns.ask("start", async () => {
      await this.#requireHere();
      if (this.row.state === "running") await this.#control.goOn();
      else await this.#shown(options, (shown) => this.#control.start(shown));
    });
  }

  /** The machine's state goes to disk, durably, then QEMU ends. @throws CONFLICT if it does not run; NO_ROOM, CANCELLED */
  suspend(options: OperationOptions = {}): Promise<void> {
    return this.#turns.ask("suspend", async () => {
      const running = await this.#requireRunning();
      await this.#shown(options, (shown) => this.#control.suspend(running, shown));
    });
  }

  /**
   * Reset and power button of the machine, or pulling its plug; "off" also throws away a saved state.
   * @throws CONFLICT; NO_ROOM when it stands still for want of it; TIMEOUT when the guest does not react to the power button
   */
  power(action: PowerAction, options: OperationOptions = {}): Promise<void> {
    return this.#turns.ask(action, async () => {
      if (action === "off") {
        await this.#requireHere();
        await this.#control.off(null);
        return;
      }
      const running = await this.#requireRunning();
      // A machine that stands still would not see that a button was pressed.
      await this.#control.goOn();
      if (action === "reset") {
        await running.machine.reset();
        return;
      }
      await running.powerDown(options.signal);
      await this.#control.off(null);
    });
  }

  /**
   * From this call on nothing is recorded, whatever else is under way, until `resumeRecording`; what was before is on disk then.
   * @throws CONFLICT if it is owned elsewhere or being migrated; what the log throws, but it is paused then
   */
  async pauseRecording(): Promise<void> {
    requireOwned(this.#deps, this.row);
    // The record first, so that no crash undoes it; nothing waits in between, so no key slips through.
    this.#control.update({ recordingPaused: true });
    await this.running?.pauseRecording();
  }

  /** Records again. @throws CONFLICT if it does not run */
  resumeRecording(): Promise<void> {
    return this.#turns.ask("record", async () => {
      const running = await this.#requireRunning();
      await running.resumeRecording();
      // Unless it was paused again meanwhile.
      if (!running.isPaused()) this.#control.update({ recordingPaused: false });
    });
  }

  #onPauseKey(): void {
    // In case of doubt nothing is recorded.
    const done = this.row.recordingPaused && this.doing === null ? this.resumeRecording() : this.pauseRecording();
    done.catch((error: unknown) => {
      this.#deps.log.error({ err: error, workspace: this.name }, "pausing the recording, or going on with it");
    });
  }

  /** QEMU has ended by itself, maybe. An operation that is under way finds out for itself; the rest is done after it. */
  #settleGone(): void {
    if (this.running === null || this.running.ended === null || this.#turns.taken) return;
    void this.#turns
      .keepHouse("turning off", async () => {
        const why = this.running?.ended ?? null;
        if (why === null) return;
        this.#deps.log[why === "failure" ? "error" : "info"]({ workspace: this.name, why }, "the machine is off");
        // While it is migrated everything is on disk already, and the migration decides what follows.
        if (this.row.state === "paused-for-migration") await this.#control.end();
        else await this.#control.off(why === "failure" ? FAILURE_NOTE : null);
      })
      .catch((error: unknown) => {
        this.#deps.log.error({ err: error, workspace: this.name }, "turning off");
      });
  }

  /**
   * Makes a generation of the present state, the workspace's base from now on. A running machine is suspended for it and
   * runs again when this returns, also when it fails.
   * @throws CONFLICT if it is off; NO_ROOM, CANCELLED
   */
  seal(options: OperationOptions = {}): Promise<GenerationRecord> {
    return this.#turns.ask("seal", async () => {
      await this.#requireHere();
      const generation = await this.#shown(options, (shown) => sealMachine(this.#deps, this.#control, shown));
      this.#onGeneration();
      return generation;
    });
  }

  /** Before a migration: the log up to now is durable when this returns; the machine runs on. */
  async flushLog(): Promise<void> {
    await this.running?.flushLog();
  }

  /**
   * Pauses the machine (or takes the saved state as it is) and puts its whole state on disk. A running QEMU stays,
   * paused, so that `resumeAfterCancel` is instant. The workspace can do nothing else until one of `resumeAfterCancel`
   * and `becomeGeneration`. One that was suspended before stays so after `resumeAfterCancel`.
   * @throws CONFLICT if it is not owned here, has no generation, is off or busy
   */
  suspendForMigration(signal?: AbortSignal): Promise<SuspendedState> {
    return this.#turns.ask("suspend", async () => {
      await this.#requireHere();
      return pauseForMigration(this.#deps, this.#control, signal === undefined ? {} : { signal });
    });
  }

  /** The same state again, e.g. after the service was restarted in between. @throws CONFLICT */
  suspendedState(): SuspendedState {
    return pausedState(this.#deps, this.#control);
  }

  /** Runs on as if nothing had been; stays suspended if it was, or if its QEMU has died. May be repeated. */
  resumeAfterCancel(): Promise<void> {
    return this.#turns.ask("resume", () => resumePaused(this.#deps, this.#control));
  }

  /**
   * After the durable release: QEMU ends, the suspended state becomes a generation, and `owner` the host that may run
   * the workspace. May be repeated.
   */
  becomeGeneration(parts: GenerationParts, owner: string): Promise<GenerationRecord> {
    return this.#turns.ask("release", async () => {
      const generation = await release(this.#deps, this.#control, parts, owner);
      this.#onGeneration();
      return generation;
    });
  }

  /**
   * On the destination: owned here from now on, and suspended at that stored generation.
   * @param together whatever else becomes true in the same transaction
   * @throws CONFLICT if it is owned here already
   */
  takeGeneration(root: string, recordingPaused: boolean, together: () => void): Promise<void> {
    return this.#turns.ask("take", async () => {
      await take(this.#deps, this.#control, root, recordingPaused, together);
      this.#onGeneration();
    });
  }

  /** Owned here and not running, with everything on disk. @throws CONFLICT; as `suspend` */
  standStill(): Promise<void> {
    return this.#turns.ask("suspend", async () => {
      requireOwned(this.#deps, this.row);
      const { running } = this;
      if (running !== null) await this.#shown({}, (shown) => this.#control.suspend(running, shown));
    });
  }

  /** Whether there may be an input log of it on this host. */
  get recordsInput(): boolean {
    return this.base !== null;
  }

  /** Does something short on the store between two operations, and takes up what it changed. */
  betweenOperations<T>(doing: string, work: () => Promise<T>): Promise<T> {
    return this.#turns.keepHouse(doing, async () => {
      try {
        return await work();
      } finally {
        this.#control.reload();
      }
    });
  }

  /** Removes it with all that is its own. @throws as removeWorkspace */
  remove(): Promise<void> {
    return this.#turns.ask("delete", () => removeWorkspace(this.#deps, this.#control));
  }

  /** The service ends and the machine runs on, to be adopted by the next one. Nothing can be done with it afterwards. */
  async leave(): Promise<void> {
    await this.#turns.close();
    await this.#control.leave();
    await this.#control.closeLog();
  }
}
