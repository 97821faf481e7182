import { signal } from "@preact/signals";
import { delay } from "../../../common/abort.ts";
import { connectionEnded, type CallOptions } from "../../../protocol/control-calls.ts";
import {
  CONSOLE_PATH,
  CONSOLE_PROTOCOL,
  type ControlMethod,
  type ControlParams,
  type ControlResult,
  type ServiceStatus,
} from "../../../protocol/control.ts";
import { consoleSocket, openConnection, type Connection } from "./connection.ts";
import { forgetSession, isSessionOver, openSession } from "./session.ts";

/** "shut out": this tab has no session (any more), and only a new link gives it one. */
export type ServiceState = "connecting" | "connected" | "lost" | "shut out";

const RETRY_MS = [200, 500, 1000, 2000] as const;

/** Where this page stands with the service. */
export const serviceState = signal<ServiceState>("connecting");
/** The newest status that the service told; null before the first. */
export const status = signal<ServiceStatus | null>(null);

let connection: Connection | null = null;
let token: string | null = null;

/** Calls a method of the service; see controlMethods. @throws HomewardError; ENVIRONMENT without a connection */
export function call<M extends ControlMethod>(
  method: M,
  params: ControlParams<M>,
  options: CallOptions = {},
): Promise<ControlResult<M>> {
  return connection === null ? Promise.reject(connectionEnded()) : connection.calls.call(method, params, options);
}

/** A WebSocket for noVNC. @throws HomewardError without a session */
export function openConsole(workspace: string): WebSocket {
  if (token === null) throw connectionEnded();
  return consoleSocket(`${CONSOLE_PATH}${workspace}`, token, CONSOLE_PROTOCOL);
}

/** Connects, keeps `status` current, and connects again by itself when the service has gone, until the session is over. */
export async function connectToService(): Promise<void> {
  for (let failures = 0; ; failures++) {
    token = await openSession().catch(() => null);
    if (token === null) break;
    connection = await openConnection(token);
    if (connection !== null) {
      failures = 0;
      serviceState.value = "connected";
      await followStatus(connection);
      connection = null;
    } else if (await isSessionOver(token)) {
      forgetSession();
      break;
    }
    serviceState.value = "lost";
    await delay(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 0);
  }
  serviceState.value = "shut out";
}

async function followStatus({ calls, ended }: Connection): Promise<void> {
  let over = false;
  void ended.then(() => {
    over = true;
  });
  let after: number | undefined;
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- changes while it waits
  while (!over)
    try {
      const answer = await calls.call("watch", after === undefined ? {} : { after });
      after = answer.revision;
      status.value = answer.status;
    } catch {
      // The service could not look, or it has gone.
      await Promise.race([ended, delay(1000)]);
    }
}
