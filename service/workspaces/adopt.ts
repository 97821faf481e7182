import { stat } from "node:fs/promises";
import { adoptMachine, type Machine } from "../../vm/machine-process.ts";
import { exists } from "../store/durable.ts";
import type { WorkspaceChange, WorkspaceRow } from "../store/workspaces-table.ts";
import { removeRunFiles } from "./boot.ts";
import type { WorkspaceDeps } from "./dependencies.ts";

export interface Adopted {
  /** The living QEMU; null when there is none or it is not to be used. */
  readonly machine: Machine | null;
  /** What the record should say instead. */
  readonly change: WorkspaceChange | null;
}

const LOST_NOTE = "its QEMU was gone when the service started; the disk is as it was then";
const REBOOT_NOTE =
  "this computer was restarted while it ran: what was only in its memory is lost, and it boots from its disk as after a power cut";
const CUT_OFF_NOTE = "a migration was cut off and its QEMU is gone; its state is saved, whole, as it was then";
const MISSING_NOTE = "its saved state is gone from the state folder; it boots from its disk as after a power cut";
const SILENT_NOTE = "its QEMU runs but does not answer";

/**
 * Compares a workspace's record with the processes of this computer, after the service was stopped or killed. A machine
 * that the record says runs is taken over; one that it does not know of never ran a single instruction (records are
 * written before that) and is ended.
 */
export async function adoptAfterRestart(deps: WorkspaceDeps, row: WorkspaceRow): Promise<Adopted> {
  const expected = row.state === "running" || row.state === "paused-for-migration";
  let machine: Machine | null;
  try {
    machine = await adoptMachine(deps.runDirs.paths(row.id).dir);
  } catch (error) {
    deps.log.error({ err: error, workspace: row.name }, "cannot adopt the machine");
    // It may be alive, so nothing of it is touched and it is not started a second time.
    return { machine: null, change: { note: SILENT_NOTE } };
  }
  if (machine !== null && expected) {
    deps.log.info({ workspace: row.name, pid: machine.pid }, "adopted the machine");
    return { machine, change: row.note === SILENT_NOTE ? { note: null } : null };
  }
  if (machine !== null) {
    deps.log.warn({ workspace: row.name, pid: machine.pid }, "ending a machine that was never let run");
    await machine.quit();
  }
  await removeRunFiles(deps, row);
  const off = (note: string): Adopted => {
    deps.log.warn({ workspace: row.name, afterReboot: deps.store.afterReboot }, note);
    return { machine: null, change: { state: "off", resumeFrom: "boot", ramPath: null, note } };
  };
  if (row.state === "running") return off(deps.store.afterReboot ? REBOOT_NOTE : LOST_NOTE);
  if (row.state === "suspended" && row.resumeFrom === "saved" && !(await isSaved(deps, row))) return off(MISSING_NOTE);
  if (row.ramPath === null) return { machine: null, change: null };
  return { machine: null, change: { ramPath: null, ...(row.state === "paused-for-migration" ? { note: CUT_OFF_NOTE } : {}) } };
}

/** The saved state that the record promises is there. */
async function isSaved(deps: WorkspaceDeps, { name, machine }: WorkspaceRow): Promise<boolean> {
  const { saved, overlay } = deps.store.paths.workspace(name);
  const ram = await stat(saved.ram).catch(() => null);
  return ram?.size === machine.memoryBytes && (await exists(saved.device)) && (await exists(overlay));
}
