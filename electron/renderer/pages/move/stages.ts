import type { ProgressUpdate } from "../../../../common/progress.ts";
import type { MigrationRow } from "../../../../protocol/control.ts";

/** The steps of a move as people see them, in their order. */
export const STAGES = ["begin", "save", "replay", "find", "send", "check", "start"] as const;
export type Stage = (typeof STAGES)[number];

/** By the state of the migration, on either end: no earlier stage than this. */
const BY_STATE: Readonly<Record<string, Stage>> = {
  offered: "begin",
  accepted: "begin",
  suspended: "replay",
  replaying: "replay",
  indexed: "replay",
  resolving: "find",
  shipping: "send",
  building: "send",
  prepared: "start",
  released: "start",
  taken: "start",
  done: "start",
};
/** By what the service says it is doing. Where both hosts work at once, the source's part is not what is waited for. */
const BY_PHASE: Readonly<Record<string, Stage>> = {
  suspend: "save",
  replay: "replay",
  settle: "replay",
  resolve: "find",
  ship: "send",
  receive: "send",
  verify: "check",
  resume: "start",
};

/** Where a move is: whichever of its state and its progress is further. */
export function stageOf({ state }: Pick<MigrationRow, "state">, progress: Pick<ProgressUpdate, "phase"> | null): Stage {
  const at = (stage: Stage | undefined): number => (stage === undefined ? 0 : STAGES.indexOf(stage));
  return STAGES[Math.max(at(BY_STATE[state]), at(BY_PHASE[progress?.phase ?? ""]))] ?? "begin";
}

/** Whether it can still be stopped: only the source can, until it has released the workspace. */
export function canCancel({ role, state }: Pick<MigrationRow, "role" | "state">): boolean {
  return role === "source" && state !== "released" && state !== "done";
}
