import { chmod, open, rename, rm } from "node:fs/promises";
import { copyFileSparse } from "../../syncer/copy-sparse.ts";
import { createOverlay } from "../../vm/disk-image.ts";
import { prepareUefiBoot, prepareUefiResume } from "../../vm/firmware.ts";
import { startMachine, type Machine } from "../../vm/machine-process.ts";
import { exists, syncDir } from "../store/durable.ts";
import type { WorkspaceRow } from "../store/workspaces-table.ts";
import { bootFiles, diskLayers, type OperationOptions, type WorkspaceDeps } from "./dependencies.ts";

/** Makes sure there is a writable overlay over the workspace's layers; `fresh` throws away the one there is. */
export async function prepareOverlay(deps: WorkspaceDeps, row: WorkspaceRow, content: "fresh" | "kept"): Promise<void> {
  const paths = deps.store.paths.workspace(row.name);
  if (content === "kept" && (await exists(paths.overlay))) {
    // A crash while it was being made a layer can have left it read-only.
    await chmod(paths.overlay, 0o600);
    return;
  }
  const [, ...below] = diskLayers(deps.store, row);
  const unfinished = `${paths.overlay}.new`;
  await rm(unfinished, { force: true });
  await createOverlay(unfinished, below, row.machine.diskBytes);
  await chmod(unfinished, 0o600);
  await rename(unfinished, paths.overlay);
  await syncDir(paths.dir);
}

/** Where the RAM of a machine about to run goes; nothing is there when this returns. */
export async function prepareRam(deps: WorkspaceDeps, row: WorkspaceRow): Promise<string> {
  const { path } = await deps.runDirs.placeRam(
    row.id,
    row.machine.memoryBytes,
    deps.store.paths.workspace(row.name).ram,
  );
  await rm(path, { force: true });
  return path;
}

async function startQemu(
  deps: WorkspaceDeps,
  row: WorkspaceRow,
  ramPath: string,
  incoming: boolean,
  signal: AbortSignal | undefined,
): Promise<Machine> {
  const run = await deps.runDirs.create(row.id);
  const { variables } = deps.store.paths.workspace(row.name);
  const prepareUefi = incoming ? prepareUefiResume : prepareUefiBoot;
  return startMachine(
    row.machine,
    {
      ...(row.machine.firmware === "uefi" ? { uefi: await prepareUefi(variables) } : {}),
      name: row.name,
      ramPath,
      diskLayers: diskLayers(deps.store, row),
      ...bootFiles(deps.store, row.machine),
      runDir: run.dir,
      network: row.hostLoopback ? "with-host" : "open",
      incoming,
      diskFlush: "safe",
      afterShutdown: "end",
    },
    signal,
  );
}

/** Powers the machine on: it runs when this returns. */
export function bootMachine(
  deps: WorkspaceDeps,
  row: WorkspaceRow,
  ramPath: string,
  options: OperationOptions,
): Promise<Machine> {
  return startQemu(deps, row, ramPath, false, options.signal);
}

/** Starts QEMU with a copy of the saved RAM and loads the saved device state; the machine is paused when this returns. */
export async function loadMachine(
  deps: WorkspaceDeps,
  row: WorkspaceRow,
  ramPath: string,
  saved: { readonly ram: string; readonly device: string },
  options: OperationOptions,
): Promise<Machine> {
  const { signal, progress } = options;
  await copyFileSparse(saved.ram, ramPath, {
    ...(signal === undefined ? {} : { signal }),
    ...(progress === undefined ? {} : { progress }),
  });
  const machine = await startQemu(deps, row, ramPath, true, signal);
  try {
    await machine.loadDeviceState(saved.device, signal);
    if (row.machine.firmware === "uefi") await keepVariables(deps, row, machine);
  } catch (error) {
    await machine.quit().catch(() => undefined);
    throw error;
  }
  return machine;
}

/**
 * Writes the firmware's variables of a state that was just loaded to where the next boot looks for them. QEMU does that
 * too, but only when the machine runs.
 */
async function keepVariables(deps: WorkspaceDeps, row: WorkspaceRow, machine: Machine): Promise<void> {
  const path = deps.store.paths.workspace(row.name).variables;
  let content: Buffer;
  try {
    content = await machine.uefiVariables();
  } catch (error) {
    // Paused in the middle of changing one: the machine can still run, and QEMU writes them then.
    deps.log.warn({ err: error, workspace: row.name }, "reading the firmware's variables");
    return;
  }
  // In place: QEMU has this very file open.
  const file = await open(path, "r+");
  try {
    await file.write(content, 0, content.length, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await syncDir(deps.store.paths.workspace(row.name).dir);
}

/** Removes what a machine that is gone has left outside of its saved state: RAM, sockets. */
export async function removeRunFiles(deps: WorkspaceDeps, row: WorkspaceRow): Promise<void> {
  const paths = deps.store.paths.workspace(row.name);
  await rm(paths.consoleLink, { force: true });
  await rm(paths.ram, { force: true });
  await deps.runDirs.remove(row.id);
}
