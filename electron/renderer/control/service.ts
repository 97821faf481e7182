import { signal } from "@preact/signals";
import { delay } from "../../../common/abort.ts";
import { toHomewardError, type HomewardError } from "../../../common/errors.ts";
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
import { sessions, type Session } from "./session.ts";

/** "shut out": this tab has no session (any more), and only a new link gives it one. */
export type ServiceState = "connecting" | "connected" | "lost" | "shut out";

const RETRY_MS = [200, 500, 1000, 2000] as const;

/** Where this page stands with the service. */
export const serviceState = signal<ServiceState>("connecting");
/** Why there is no session; null if the service just does not answer. */
export const serviceProblem = signal<HomewardError | null>(null);
/** The newest status that the service told; null before the first. */
export const status = signal<ServiceStatus | null>(null);

let connection: Connection | null = null;
let session: Session | null = null;
let wantsStart = sessions.canStart;
let wake: () => void = () => undefined;

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
  if (session === null) throw connectionEnded();
  return consoleSocket(`${CONSOLE_PATH}${workspace}`, session, CONSOLE_PROTOCOL);
}

/** Starts a service that has ended; only the desktop app can (sessions.canStart). */
export function startService(): void {
  wantsStart = true;
  wake();
}

/** Connects, keeps `status` current, and connects again by itself when the service has gone, until the session is over. */
export async function connectToService(): Promise<void> {
  for (let failures = 0; ; failures++) {
    try {
      session = await sessions.open(wantsStart);
      if (session === null) break;
      serviceProblem.value = null;
    } catch (thrown) {
      session = null;
      serviceProblem.value = toHomewardError(thrown);
    }
    wantsStart = false;
    connection = session === null ? null : await openConnection(session);
    if (connection !== null) {
      failures = 0;
      serviceState.value = "connected";
      await followStatus(connection);
      connection = null;
    } else if (session !== null && (await sessions.isOver(session))) break;
    serviceState.value = "lost";
    await new Promise<void>((resolve) => {
      wake = resolve;
      void delay(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 0).then(resolve);
    });
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
