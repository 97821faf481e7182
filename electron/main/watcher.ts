import { abortable, delay } from "../../common/abort.ts";
import type { ControlClient } from "../../protocol/control-client.ts";
import type { ServiceStatus } from "../../protocol/control.ts";

const AGAIN_MS = 2000;

/**
 * Follows the status of the service for as long as the app runs. A service that ends is waited for; it is not started
 * again from here, as somebody may have ended it on purpose.
 * @param connect connects to a service that runs
 * @param onStatus null when there is no service
 */
export async function watchService(
  connect: () => Promise<ControlClient>,
  onStatus: (status: ServiceStatus | null) => void,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const client = await connect().catch(() => null);
    if (client !== null) await follow(client, onStatus, signal);
    if (signal.aborted) return;
    onStatus(null);
    await abortable(delay(AGAIN_MS), signal).catch(() => undefined);
  }
}

/** Until the connection ends, or the app does. */
async function follow(client: ControlClient, onStatus: (status: ServiceStatus) => void, signal: AbortSignal): Promise<void> {
  try {
    for (let after: number | undefined; ; ) {
      const { revision, status } = await client.call("watch", after === undefined ? {} : { after }, { signal });
      after = revision;
      onStatus(status);
    }
  } catch {
    // Whoever called looks whether there is a service again.
  } finally {
    client.close();
  }
}
