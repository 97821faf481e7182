import type { Logger } from "pino";
import type { Progress } from "../../common/progress.ts";
import type { MachineDefinition } from "../../protocol/machine.ts";
import type { HashPool } from "../../syncer/hash-pool.ts";
import type { AcceleratorProbe } from "../../vm/accelerator.ts";
import type { Activity } from "../context.ts";
import type { GenerationCheck } from "../generation-check.ts";
import type { RunDirs } from "../run-dirs.ts";
import type { Store } from "../store/store.ts";
import type { WorkspaceRow } from "../store/workspaces-table.ts";

/** What workspaces need of the service. */
export interface WorkspaceDeps {
  readonly hostName: string;
  readonly store: Store;
  readonly runDirs: RunDirs;
  readonly generationCheck: GenerationCheck;
  readonly hashPool: HashPool;
  readonly activity: Activity;
  readonly log: Logger;
  readonly stopping: AbortSignal;
  /** Whether Ctrl+Alt+Shift+F12 in a console pauses the recording. */
  readonly pauseKey: boolean;
  /** Input logs are forgotten this many days after they ended; null: with their generation. */
  readonly keepLogsDays: number | null;
  accelerator(): Promise<AcceleratorProbe>;
  /** Resolves if machines can have a network of their own here; tried once and remembered. @throws ENVIRONMENT with why not */
  ownNetwork(): Promise<void>;
  qemuVersion(): Promise<string>;
}

export interface OperationOptions {
  readonly signal?: AbortSignal;
  readonly progress?: Progress;
}

/** Absolute paths of a workspace's disk, top first: its own overlay, then what lies under it. */
export function diskLayers(store: Store, row: WorkspaceRow): string[] {
  return [store.paths.workspace(row.name).overlay, ...row.layers.map((id) => store.paths.layer(id))];
}

/** Where QEMU finds the kernel and the initrd of a machine that it boots directly. */
export function bootFiles(store: Store, machine: MachineDefinition): { kernelPath: string | null; initrdPath: string | null } {
  return {
    kernelPath: machine.kernel === null ? null : store.paths.blob(machine.kernel.sha256),
    initrdPath: machine.initrd === null ? null : store.paths.blob(machine.initrd.sha256),
  };
}
