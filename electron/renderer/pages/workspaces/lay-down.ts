import { signal } from "@preact/signals";
import { toHomewardError, type HomewardError } from "../../../../common/errors.ts";
import type { ProgressUpdate } from "../../../../common/progress.ts";
import { PhaseTimes } from "../../../../common/time-left.ts";
import type { WorkspaceStatus } from "../../../../protocol/control.ts";
import type { CallOptions } from "../../../../protocol/control-calls.ts";
import { call } from "../../control/service.ts";

/** A generation that is being laid down on another host, or could not be. */
export interface LayDown {
  readonly peer: string;
  /** Null before the first report. */
  readonly progress: ProgressUpdate | null;
  /** Milliseconds that the present step will still take; undefined while unknown. */
  readonly leftMs: number | undefined;
  /** What it failed with; null while it is under way. */
  readonly error: HomewardError | null;
}

/** By workspace. They go on whichever page is shown, and end with the tab. */
export const layDowns = signal<ReadonlyMap<string, LayDown>>(new Map());
const stops = new Map<string, AbortController>();

function note(workspace: string, layDown: LayDown | null): void {
  const all = new Map(layDowns.value);
  if (layDown === null) all.delete(workspace);
  else all.set(workspace, layDown);
  layDowns.value = all;
}

export function isBeingLaidDown(workspace: string): boolean {
  return layDowns.value.get(workspace)?.error === null;
}

/** Lays the base of a workspace down on a host; makes one first if there is none. Never rejects: see `layDowns`. */
export async function layDown({ name, base }: Pick<WorkspaceStatus, "name" | "base">, peer: string): Promise<void> {
  if (isBeingLaidDown(name)) return;
  const stop = new AbortController();
  const times = new PhaseTimes();
  const options: CallOptions = {
    signal: stop.signal,
    onProgress: (progress) => {
      note(name, { peer, progress, leftMs: times.note(progress, performance.now()), error: null });
    },
  };
  stops.set(name, stop);
  note(name, { peer, progress: null, leftMs: undefined, error: null });
  try {
    if (base === null) await call("seal", { workspace: name }, options);
    await call("push", { workspace: name, peer }, options);
    note(name, null);
  } catch (thrown) {
    const error = toHomewardError(thrown);
    note(name, error.code === "CANCELLED" ? null : { peer, progress: null, leftMs: undefined, error });
  } finally {
    stops.delete(name);
  }
}

/** Stops one that is under way, or forgets what it failed with. */
export function endLayDown(workspace: string): void {
  const stop = stops.get(workspace);
  if (stop === undefined) note(workspace, null);
  else stop.abort();
}
