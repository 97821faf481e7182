import { link, rename, rm } from "node:fs/promises";
import { copyFileSparse } from "../../syncer/copy-sparse.ts";
import type { Machine } from "../../vm/machine-process.ts";
import { freshDir, syncDir, syncFile } from "../store/durable.ts";
import type { WorkspacePaths } from "../store/paths.ts";
import type { OperationOptions } from "./dependencies.ts";

export interface SaveOptions extends OperationOptions {
  readonly machine: Machine;
  readonly ramPath: string;
  readonly ramPlace: "tmpfs" | "disk";
  readonly paths: WorkspacePaths;
  /** The firmware has variables, which the guest may have changed. */
  readonly hasVariables: boolean;
}

/**
 * Pauses the machine and puts its whole state on disk: `paths.saved` is complete and durable when this returns, as is the
 * overlay. QEMU stays, paused. RAM that is on disk already gets a second name instead of a copy, so the machine must not
 * run again before the durable record says that it does.
 */
export async function writeSavedState(options: SaveOptions): Promise<void> {
  const { machine, paths, signal, progress } = options;
  await rm(paths.saved.dir, { recursive: true, force: true });
  await freshDir(paths.saving.dir);
  await machine.saveDeviceState(paths.saving.device, signal);
  if (options.ramPlace === "disk") await link(options.ramPath, paths.saving.ram);
  else
    await copyFileSparse(options.ramPath, paths.saving.ram, {
      ...(signal === undefined ? {} : { signal }),
      ...(progress === undefined ? {} : { progress }),
    });
  const written = [paths.saving.ram, paths.saving.device, paths.overlay];
  if (options.hasVariables) written.push(paths.variables);
  await Promise.all(written.map(syncFile));
  await syncDir(paths.saving.dir);
  await rename(paths.saving.dir, paths.saved.dir);
  await syncDir(paths.dir);
}

/** Removes a saved state that the durable record no longer refers to. */
export async function removeSavedState(paths: WorkspacePaths): Promise<void> {
  await rm(paths.saved.dir, { recursive: true, force: true });
  await rm(paths.saving.dir, { recursive: true, force: true });
}
