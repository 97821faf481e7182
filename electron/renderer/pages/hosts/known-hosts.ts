import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { delay } from "../../../../common/abort.ts";
import type { Hosts } from "../../../../protocol/control.ts";
import { call, serviceState } from "../../control/service.ts";

const EVERY_MS = 1500;

/** What the service told last of this host's ID and of the others; null before the first time. */
export const knownHosts = signal<Hosts | null>(null);

export async function lookAtHosts(abort?: AbortSignal): Promise<void> {
  knownHosts.value = await call("hosts", {}, abort === undefined ? {} : { signal: abort });
}

/** Keeps `knownHosts` current while a page is shown that uses it: who knocks is seen without being asked for. */
export function useKnownHosts(): Hosts | null {
  const isConnected = serviceState.value === "connected";
  useEffect(() => {
    if (!isConnected) return undefined;
    const stop = new AbortController();
    const follow = async (): Promise<void> => {
      for (;;) {
        await lookAtHosts(stop.signal);
        do await delay(EVERY_MS, stop.signal);
        while (document.hidden);
      }
    };
    // Ends with an error when the service does; begins again with the next connection.
    follow().catch(() => undefined);
    return () => {
      stop.abort();
    };
  }, [isConnected]);
  return knownHosts.value;
}
