import { useSignal, type ReadonlySignal } from "@preact/signals";
import { HomewardError, toHomewardError } from "../../../common/errors.ts";

export interface Action {
  /** Something that was begun here is under way. */
  readonly busy: ReadonlySignal<boolean>;
  /** What the last thing failed with; null after a success, or when the user has read it. */
  readonly error: ReadonlySignal<HomewardError | null>;
  /** Does something and keeps what it fails with. @returns whether it worked. What the user stopped has not failed. */
  readonly run: (work: () => Promise<unknown>) => Promise<boolean>;
  readonly dismiss: () => void;
}

/** State of what a component lets its user do. */
export function useAction(): Action {
  const busy = useSignal(false);
  const error = useSignal<HomewardError | null>(null);
  return {
    busy,
    error,
    run: async (work) => {
      busy.value = true;
      error.value = null;
      try {
        await work();
        return true;
      } catch (thrown) {
        const failure = toHomewardError(thrown);
        error.value = failure.code === "CANCELLED" ? null : failure;
        return false;
      } finally {
        busy.value = false;
      }
    },
    dismiss: () => {
      error.value = null;
    },
  };
}
