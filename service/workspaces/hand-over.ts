import { HomewardError } from "../../common/errors.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import { prepareOverlay } from "./boot.ts";
import type { OperationOptions, WorkspaceDeps } from "./dependencies.ts";
import type { MachineControl } from "./machine-control.ts";
import { installSaved, savedMachine, type GenerationParts, type SuspendedState } from "./saved-machine.ts";

/** What a migration does with a workspace on either end; see the methods of Workspace for the promises. */

export async function pauseForMigration(
  deps: WorkspaceDeps,
  control: MachineControl,
  options: OperationOptions,
): Promise<SuspendedState> {
  const { name, base, state, resumeFrom } = control.row;
  if (base === null)
    throw new HomewardError("CONFLICT", `${name} has no generation that the other host could start from`, {
      hint: "Seal it, and create it from the exported generation on the other host.",
    });
  if (state === "off") throw new HomewardError("CONFLICT", `${name} is off`, { hint: `"homeward start ${name}" starts it.` });
  if (control.running !== null) {
    await control.save(control.running, options);
    control.update({ state: "paused-for-migration", resumeFrom: "saved" });
  } else {
    // The generation itself is to be moved: nothing has been written on top of its disk.
    if (resumeFrom === "generation") await prepareOverlay(deps, control.row, "fresh");
    control.update({ state: "paused-for-migration" });
  }
  return pausedState(deps, control);
}

/** @throws CONFLICT unless it is paused for a migration */
export function pausedState(deps: WorkspaceDeps, control: MachineControl): SuspendedState {
  const { name, base, state } = control.row;
  if (state !== "paused-for-migration" || base === null)
    throw new HomewardError("CONFLICT", `${name} is not paused for a migration`);
  return { ...savedMachine(deps.store, control), base };
}

export async function resumePaused(deps: WorkspaceDeps, control: MachineControl): Promise<void> {
  if (control.row.state !== "paused-for-migration") return;
  const suspended = { state: "suspended", ramPath: null } as const;
  const { running } = control;
  if (running === null) {
    control.update(suspended);
    return;
  }
  try {
    await running.openConsole("resume");
  } catch (error) {
    deps.log.error({ err: error, workspace: control.row.name }, "cannot run on; it stays suspended");
    await control.end();
    control.update(suspended);
    return;
  }
  await control.letRun(running, { ...suspended, resumeFrom: "saved" });
}

export async function release(
  deps: WorkspaceDeps,
  control: MachineControl,
  parts: GenerationParts,
  owner: string,
): Promise<GenerationRecord> {
  const { root } = parts.manifest;
  if (control.row.owner === owner && control.row.base === root) return deps.store.generations.require(root);
  pausedState(deps, control);
  await control.end();
  return installSaved(deps.store, control, parts, { owner, state: "away", note: null });
}

export async function take(
  deps: WorkspaceDeps,
  control: MachineControl,
  root: string,
  recordingPaused: boolean,
  together: () => void,
): Promise<void> {
  const { name, owner } = control.row;
  if (owner === null) throw new HomewardError("CONFLICT", `${name} is owned by this host already`);
  const { manifest, layerIds } = deps.store.generations.require(root);
  const taken = { owner: null, base: root, machine: manifest.machine, layers: layerIds, recordingPaused };
  await control.allOrNothing(() => {
    deps.store.transaction(() => {
      together();
      control.update({ ...taken, state: "suspended", resumeFrom: "generation", ramPath: null });
    });
  });
  await control.removeOwnState();
}
