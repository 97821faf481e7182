import { connectionEnded, ControlCalls } from "../../../protocol/control-calls.ts";
import { CONTROL_PATH, CONTROL_PROTOCOL, TOKEN_PROTOCOL_PREFIX } from "../../../protocol/control.ts";
import type { Session } from "./session.ts";

function webSocketUrl(path: string, origin: string): URL {
  const url = new URL(path, origin);
  url.protocol = "ws:";
  return url;
}

/** One WebSocket to the service. */
export interface Connection {
  readonly calls: ControlCalls;
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;
}

/** @returns null if no connection comes about; a browser does not say why */
export function openConnection({ origin, token }: Session): Promise<Connection | null> {
  const socket = new WebSocket(webSocketUrl(CONTROL_PATH, origin), [CONTROL_PROTOCOL, `${TOKEN_PROTOCOL_PREFIX}${token}`]);
  const calls = new ControlCalls((text) => {
    // One that is closing drops it; the calls then fail when it is closed.
    socket.send(text);
  });
  socket.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
    if (typeof data !== "string" || !calls.receive(data)) socket.close();
  });
  const ended = new Promise<void>((resolve) => {
    socket.addEventListener("close", () => {
      calls.fail(connectionEnded());
      resolve();
    });
  });
  return new Promise((resolve) => {
    socket.addEventListener("open", () => {
      resolve({ calls, ended });
    });
    void ended.then(() => {
      resolve(null);
    });
  });
}

/** For noVNC: a WebSocket that speaks RFB with the console of a running workspace. */
export function consoleSocket(path: string, { origin, token }: Session, protocol: string): WebSocket {
  return new WebSocket(webSocketUrl(path, origin), [protocol, `${TOKEN_PROTOCOL_PREFIX}${token}`]);
}
