import { RfbClient } from "../vm/rfb/rfb-client.ts";
import type { Host } from "./host.ts";
import { WORKSPACE } from "./workspace-name.ts";

/** A display that nobody looks at falls asleep; a viewer of a person would keep it awake by moving the pointer. */
const WAKE_EVERY_MS = 500;

/** Connects to the workspace's console as any VNC viewer would; resolves when the first whole picture is there. */
export async function openConsole(host: Host, signal: AbortSignal): Promise<RfbClient> {
  const { path } = await host.call("console", { workspace: WORKSPACE }, { signal });
  return RfbClient.connect(path, { signal, wakeEveryMs: WAKE_EVERY_MS });
}
