/** How far a long operation is. Injected, so that an operation never knows who draws it. */
export interface ProgressUpdate {
  /** Short name of the step, e.g. "replay". */
  readonly phase: string;
  readonly done: number;
  /** `undefined` while the total is not known. */
  readonly total?: number;
  readonly unit: "bytes" | "blocks" | "steps" | "ms";
  readonly note?: string;
}

export interface Progress {
  update(update: ProgressUpdate): void;
}

/** The null object. */
export const noProgress: Progress = { update: () => undefined };
