import type { GenerationManifest } from "../../protocol/generation.ts";
import type { MachineDefinition } from "../../protocol/machine.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import type { Store } from "../store/store.ts";
import type { WorkspaceChange } from "../store/workspaces-table.ts";
import { diskLayers } from "./dependencies.ts";
import type { MachineControl } from "./machine-control.ts";

/** A machine that does not run, with everything on disk. Nothing changes these files until it is resumed or released. */
export interface SavedMachine {
  readonly machine: MachineDefinition;
  readonly ramPath: string;
  readonly devicePath: string;
  /** Disk layers, top first; the first is the workspace's own overlay. */
  readonly layers: readonly string[];
}

export interface SuspendedState extends SavedMachine {
  /** Root of the generation that the workspace is based on. */
  readonly base: string;
}

/** Trees and hashes that were built over a saved machine; on the state folder's file system, synced when they are installed. */
export interface GenerationParts {
  readonly manifest: GenerationManifest;
  readonly ramTreePath: string;
  readonly diskTreePath: string;
  readonly ramHashesPath: string;
  readonly diskHashesPath: string;
}

/** Where the state of a workspace is that does not run: in its own folder, or in its generation's. */
export function savedMachine(store: Store, control: MachineControl): SavedMachine {
  const { base, resumeFrom, machine } = control.row;
  const layers = diskLayers(store, control.row);
  if (resumeFrom !== "generation" || base === null)
    return { machine, ramPath: control.paths.saved.ram, devicePath: control.paths.saved.device, layers };
  const { ramPath, devicePath } = store.generations.require(base);
  return { machine, ramPath, devicePath, layers };
}

/** The saved state becomes a generation, and in the same moment the one that the workspace is based on. */
export async function installSaved(
  store: Store,
  control: MachineControl,
  parts: GenerationParts,
  change: WorkspaceChange,
): Promise<GenerationRecord> {
  const saved = savedMachine(store, control);
  const { root } = parts.manifest;
  const made = { ...parts, ramPath: saved.ramPath, devicePath: saved.devicePath, topLayer: control.paths.overlay };
  const generation = await control.allOrNothing(() =>
    store.generations.install({ ...made, below: control.row.layers }, (layers) => {
      control.update({ ...change, base: root, resumeFrom: "generation", ramPath: null, layers });
    }),
  );
  await control.removeOwnState();
  return generation;
}
