import type { Progress } from "../../common/progress.ts";

/** Progress of a step under the name that it has for the user, whatever the part that does it calls it. */
export function namedProgress(phase: string, progress: Progress): Progress {
  return {
    update: (update) => {
      progress.update({ ...update, phase });
    },
  };
}
