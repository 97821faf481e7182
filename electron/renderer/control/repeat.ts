import { useEffect } from "preact/hooks";
import { delay } from "../../../common/abort.ts";
import { serviceState } from "./service.ts";

export interface RepeatOptions {
  readonly everyMs: number;
  /** Begins anew when one of these changes. */
  readonly of: readonly unknown[];
  /** Whether there is anything to do; by default as long as the service is connected. */
  readonly isLive?: boolean;
}

/**
 * Does something now, and again and again while the component and the tab are shown and the service is connected.
 * @param begin is called each time that it begins, and gives what is done then. It ends with the first failure: that of the service
 *   is shown by the page, and with the next connection it begins again
 */
export function useRepeated({ everyMs, of, isLive = true }: RepeatOptions, begin: () => (signal: AbortSignal) => Promise<void>): void {
  const isFollowed = isLive && serviceState.value === "connected";
  useEffect(() => {
    if (!isFollowed) return undefined;
    const stop = new AbortController();
    const work = begin();
    const follow = async (): Promise<void> => {
      for (;;) {
        await work(stop.signal);
        do await delay(everyMs, stop.signal);
        while (document.hidden);
      }
    };
    follow().catch(() => undefined);
    return () => {
      stop.abort();
    };
  }, [isFollowed, ...of]);
}
