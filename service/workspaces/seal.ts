import { rm } from "node:fs/promises";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import type { OperationOptions, WorkspaceDeps } from "./dependencies.ts";
import { buildGeneration } from "./hash-generation.ts";
import type { MachineControl } from "./machine-control.ts";
import { installSaved, savedMachine } from "./saved-machine.ts";

/**
 * Makes a generation of the present state, the workspace's base from now on. A running machine is suspended for it and
 * runs again when this returns, also when it fails.
 * @throws CONFLICT if it is off; NO_ROOM, CANCELLED
 */
export async function sealMachine(
  deps: WorkspaceDeps,
  control: MachineControl,
  options: OperationOptions,
): Promise<GenerationRecord> {
  const { running } = control;
  if (control.row.state === "off")
    throw new HomewardError("CONFLICT", `${control.row.name} is off: a generation is the state of a machine that is on`, {
      hint: `"homeward start ${control.row.name}" starts it.`,
    });
  if (running !== null) await control.suspend(running, options);
  try {
    return await sealSaved(deps, control, options);
  } finally {
    if (running !== null) await control.start({});
  }
}

async function sealSaved(
  deps: WorkspaceDeps,
  control: MachineControl,
  options: OperationOptions,
): Promise<GenerationRecord> {
  const { base, resumeFrom, id, name } = control.row;
  const generation = base === null ? null : deps.store.generations.require(base);
  if (resumeFrom === "generation" && generation !== null) return generation;
  const saved = savedMachine(deps.store, control);
  // From a damaged one only what differs would be hashed, and the damage be taken over under a name that denies it.
  const intact = generation !== null && (await isIntact(deps, generation, name, options)) ? generation : null;
  const built = await buildGeneration(deps, { id, saved, base: intact }, options);
  try {
    const sealed = await installSaved(deps.store, control, built.parts, {});
    await deps.generationCheck.vouch(sealed);
    return sealed;
  } finally {
    await rm(built.dir, { recursive: true, force: true });
  }
}

async function isIntact(
  deps: WorkspaceDeps,
  generation: GenerationRecord,
  workspace: string,
  options: OperationOptions,
): Promise<boolean> {
  try {
    await deps.generationCheck.requireIntact(generation, { ...options, hint: "" });
    return true;
  } catch (error) {
    if (toHomewardError(error).code !== "DAMAGED") throw error;
    deps.log.error({ err: error, workspace }, "the generation before is damaged; all of the machine is hashed anew");
    return false;
  }
}
