import { rm } from "node:fs/promises";
import { HomewardError } from "../../common/errors.ts";
import { LogStore } from "../../recorder/log-store.ts";
import { hasUefi } from "../../vm/firmware.ts";
import type { Machine } from "../../vm/machine-process.ts";
import type { WorkspacePaths } from "../store/paths.ts";
import type { WorkspaceChange, WorkspaceRow } from "../store/workspaces-table.ts";
import { adoptAfterRestart } from "./adopt.ts";
import { bootMachine, loadMachine, prepareOverlay, prepareRam, removeRunFiles } from "./boot.ts";
import { requireCompatible } from "./compatibility.ts";
import type { OperationOptions, WorkspaceDeps } from "./dependencies.ts";
import { requireRoomToGoOn } from "./disk-full.ts";
import { RunningMachine } from "./running-machine.ts";
import { removeSavedState, writeSavedState } from "./saved-state.ts";

/** Certainly has not run since its state was saved or loaded. */
async function isPaused(machine: Machine): Promise<boolean> {
  try {
    return ["paused", "postmigrate"].includes(await machine.status());
  } catch {
    return false;
  }
}

export interface MachineListener {
  /** QEMU ended without having been told to; `running.ended` says why. */
  readonly onGone: () => void;
  /** QEMU has stopped the machine, as there was no room for what it writes. */
  readonly onNoRoom: () => void;
  /** Someone at the console wants the recording to be paused, or to go on. */
  readonly onPauseKey: () => void;
}

/**
 * The record of one workspace and its machine, kept in step: every method leaves a record from which a service that is
 * killed at that moment finds its way. Who may do what, and one thing at a time, is the Workspace's part.
 */
export class MachineControl {
  readonly paths: WorkspacePaths;
  readonly #deps: WorkspaceDeps;
  readonly #told: MachineListener;
  #row: WorkspaceRow;
  #running: RunningMachine | null = null;
  #inputLog: LogStore | null = null;

  constructor(deps: WorkspaceDeps, row: WorkspaceRow, told: MachineListener) {
    this.#deps = deps;
    this.#row = row;
    this.#told = told;
    this.paths = deps.store.paths.workspace(row.name);
  }

  get row(): WorkspaceRow {
    return this.#row;
  }

  /** Null when there is no QEMU; it may be paused. */
  get running(): RunningMachine | null {
    return this.#running;
  }

  get inputLog(): LogStore {
    this.#inputLog ??= LogStore.open(this.paths.inputLog, {
      dir: this.#deps.store.paths.logKeys,
      workspace: this.#row.id,
    });
    return this.#inputLog;
  }

  async closeLog(): Promise<void> {
    const log = this.#inputLog;
    this.#inputLog = null;
    await log?.close();
  }

  update(change: WorkspaceChange): void {
    this.#row = this.#deps.store.workspaces.update(this.#row.name, change);
  }

  /** Makes changes in a transaction that others belong to: if it comes to nothing, so do they. @throws as `work` */
  async allOrNothing<T>(work: () => T | Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.reload();
      throw error;
    }
  }

  /** Takes up what was changed in the store by others. */
  reload(): void {
    this.#row = this.#deps.store.workspaces.require(this.#row.name);
  }

  #attach(machine: Machine, ramPath: string): RunningMachine {
    const { base, id, name, recordingPaused } = this.#row;
    const running = new RunningMachine({
      machine,
      ramPath,
      consoleSocket: this.#deps.runDirs.paths(id).consoleSocket,
      consoleLink: this.paths.consoleLink,
      recording: base === null ? null : { log: this.inputLog, root: base },
      paused: recordingPaused,
      onPauseKey: this.#deps.pauseKey ? this.#told.onPauseKey : null,
      log: this.#deps.log.child({ workspace: name }),
      onGone: this.#told.onGone,
      onNoRoom: this.#told.onNoRoom,
    });
    this.#running = running;
    return running;
  }

  /** Finds the machine that an earlier service left running, or records that it is gone. */
  async adopt(): Promise<void> {
    const { machine, change } = await adoptAfterRestart(this.#deps, this.#row);
    if (change !== null) this.update(change);
    if (machine === null) {
      await this.#removeStale();
      return;
    }
    const running = this.#attach(machine, this.#row.ramPath ?? this.paths.ram);
    if (this.#row.state !== "running") return;
    await running.openConsole("record-resume");
    // A service that was stopped between the record and the first instruction, or while it was suspending.
    if (await isPaused(machine)) await running.cont();
    await removeSavedState(this.paths);
    await running.lookForRoom();
  }

  /** A machine that stands still for want of room goes on. @throws NO_ROOM if there is none yet, GUEST */
  async goOn(): Promise<void> {
    const running = this.#running;
    if (running === null || this.#row.state !== "running" || !running.isOutOfRoom()) return;
    await requireRoomToGoOn(this.#row.name, this.paths.overlay);
    await running.cont();
  }

  /** Removes files that the record has done with, after a crash came between the record and their removal or undid that. */
  async #removeStale(): Promise<void> {
    const { state, resumeFrom } = this.#row;
    if (state === "off") await removeSavedState(this.paths);
    else if (resumeFrom === "generation" && (state === "away" || state === "suspended")) await this.removeOwnState();
  }

  /** @throws INCOMPATIBLE, GUEST, NO_ROOM, CANCELLED; the record is then as before, or "off" where it was that */
  async start(options: OperationOptions): Promise<void> {
    const { name, machine, resumeFrom } = this.#row;
    const [{ accelerator }, qemuVersion] = await Promise.all([this.#deps.accelerator(), this.#deps.qemuVersion()]);
    requireCompatible(name, machine, { accelerator, qemuVersion, uefi: await hasUefi() });
    if (resumeFrom === "boot") await this.#boot(options);
    else await this.#resume(options);
  }

  async #boot(options: OperationOptions): Promise<void> {
    await prepareOverlay(this.#deps, this.#row, "kept");
    const ramPath = await prepareRam(this.#deps, this.#row);
    // The guest runs from the moment QEMU does, so the record comes first.
    this.update({ state: "running", ramPath, note: null });
    try {
      const machine = await bootMachine(this.#deps, this.#row, ramPath, options);
      const running = this.#attach(machine, ramPath);
      await running.openConsole("resume");
      // For a replay from the generation, turning on is a reset.
      running.notePower("host-reset", "none");
    } catch (error) {
      await this.end();
      this.update({ state: "off", ramPath: null });
      throw error;
    }
  }

  async #resume(options: OperationOptions): Promise<void> {
    const { state, resumeFrom } = this.#row;
    let running: RunningMachine;
    try {
      running = await this.#load(options);
      await running.openConsole(resumeFrom === "generation" ? null : "resume");
    } catch (error) {
      await this.end();
      throw error;
    }
    await this.letRun(running, { state, resumeFrom, ramPath: null });
  }

  /** A QEMU that stands, paused, at the saved state or the generation. */
  async #load(options: OperationOptions): Promise<RunningMachine> {
    const { resumeFrom, base } = this.#row;
    const generation =
      resumeFrom === "generation" && base !== null ? this.#deps.store.generations.require(base) : null;
    if (generation !== null)
      await this.#deps.generationCheck.requireMemoryIntact(generation, {
        ...options,
        hint: `"homeward power ${this.#row.name} off" gives the memory up; it then boots from its disk.`,
      });
    const saved = generation === null ? this.paths.saved : { ram: generation.ramPath, device: generation.devicePath };
    await prepareOverlay(this.#deps, this.#row, generation === null ? "kept" : "fresh");
    const ramPath = await prepareRam(this.#deps, this.#row);
    return this.#attach(await loadMachine(this.#deps, this.#row, ramPath, saved, options), ramPath);
  }

  /**
   * A machine whose whole state is saved runs from now on, and the saved state goes.
   * @param otherwise what the record says if QEMU refuses
   */
  async letRun(running: RunningMachine, otherwise: WorkspaceChange): Promise<void> {
    // From the first instruction on the disk no longer fits the saved state: the record comes first.
    this.update({ state: "running", resumeFrom: "boot", ramPath: running.ramPath, note: null });
    try {
      await running.cont();
    } catch (error) {
      // If it cannot be told whether it ran, the saved state must not be used again: the record stays as it is.
      if (await isPaused(running.machine)) {
        await this.end();
        this.update(otherwise);
      }
      throw error;
    }
    await removeSavedState(this.paths);
  }

  /** Pauses the running machine and saves its state to `paths.saved`, durably; if that fails it runs on. */
  async save(running: RunningMachine, options: OperationOptions): Promise<void> {
    try {
      running.releaseHeldKeys();
      await running.machine.pause();
      await running.stopRecording("suspend");
      await writeSavedState({
        ...options,
        machine: running.machine,
        ramPath: running.ramPath,
        ramPlace: this.#deps.runDirs.placeOf(running.ramPath),
        paths: this.paths,
        hasVariables: this.#row.machine.firmware === "uefi",
      });
    } catch (error) {
      await this.#runOn(running).catch((again: unknown) => {
        this.#deps.log.error({ err: again, workspace: this.#row.name }, "cannot run on");
      });
      throw error;
    }
  }

  /** A paused machine whose record says "running" runs on. */
  async #runOn(running: RunningMachine): Promise<void> {
    await running.openConsole("resume");
    await running.cont();
    await removeSavedState(this.paths);
  }

  /** Saves the state, then ends QEMU. */
  async suspend(running: RunningMachine, options: OperationOptions): Promise<void> {
    await this.save(running, options);
    this.update({ state: "suspended", resumeFrom: "saved", ramPath: null });
    await this.end();
  }

  /** The machine is off, and a saved state thrown away; what its firmware keeps in variables is not. */
  async off(note: string | null): Promise<void> {
    if (this.#running !== null && this.#running.ended !== "guest-shutdown") this.#running.notePower("host-off");
    await this.#keepVariables();
    await this.end();
    this.update({ state: "off", resumeFrom: "boot", ramPath: null, note });
    await removeSavedState(this.paths);
  }

  /** The variables of UEFI firmware are in a generation's device state, from which only QEMU can get them out. */
  async #keepVariables(): Promise<void> {
    const { name, machine, resumeFrom } = this.#row;
    if (machine.firmware !== "uefi" || resumeFrom !== "generation" || this.#running !== null) return;
    try {
      await this.#load({});
    } catch (error) {
      // A state that cannot be loaded must not keep its machine from being turned off: it gets new variables.
      this.#deps.log.warn({ err: error, workspace: name }, "the firmware's variables are lost");
    }
  }

  /** Ends QEMU if there is one, and removes its RAM and sockets; the record is the caller's. */
  async end(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    await running?.quit();
    await removeRunFiles(this.#deps, this.#row);
  }

  /** Lets QEMU run on without this service. */
  async leave(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    await running?.leave();
  }

  /** Removes overlay, saved state and variables, once a generation holds what was in them. */
  async removeOwnState(): Promise<void> {
    await removeSavedState(this.paths);
    await rm(this.paths.overlay, { force: true });
    await rm(this.paths.variables, { force: true });
  }

  /** There is a QEMU that could not be adopted. */
  get #silent(): boolean {
    return this.#row.state === "running" && this.#running === null;
  }

  /** @throws CONFLICT if a QEMU that the record knows of still does not answer */
  async requireAnswering(): Promise<void> {
    if (this.#silent) await this.adopt();
    if (this.#silent)
      throw new HomewardError("CONFLICT", `the QEMU of ${this.#row.name} runs but does not answer`, {
        hint: `Its process id is in ${this.#deps.runDirs.paths(this.#row.id).dir}.`,
      });
  }
}
