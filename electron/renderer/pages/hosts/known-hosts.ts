import { signal } from "@preact/signals";
import type { Hosts } from "../../../../protocol/control.ts";
import { useRepeated } from "../../control/repeat.ts";
import { call } from "../../control/service.ts";

const EVERY_MS = 1500;

/** What the service told last of this host's ID and of the others; null before the first time. */
export const knownHosts = signal<Hosts | null>(null);

export async function lookAtHosts(abort?: AbortSignal): Promise<void> {
  knownHosts.value = await call("hosts", {}, abort === undefined ? {} : { signal: abort });
}

/** Keeps `knownHosts` current while a page is shown that uses it: who knocks is seen without being asked for. */
export function useKnownHosts(): Hosts | null {
  useRepeated({ everyMs: EVERY_MS, of: [] }, () => lookAtHosts);
  return knownHosts.value;
}
