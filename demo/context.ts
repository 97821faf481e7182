import type { Cleanup } from "./cleanup.ts";
import type { DemoOptions } from "./options.ts";
import type { Phases } from "./phases.ts";
import type { Session } from "./session/format.ts";
import type { WorkFolder } from "./work-folder.ts";

/** What the phases of one run share. */
export interface DemoContext {
  readonly options: DemoOptions;
  /** What the person does on the laptop. */
  readonly session: Session;
  readonly work: WorkFolder;
  readonly cleanup: Cleanup;
  readonly phases: Phases;
  /** Fires when the user wants to stop. */
  readonly signal: AbortSignal;
}
