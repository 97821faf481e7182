import { createConnection, type Socket } from "node:net";
import { abortReason, delay } from "../common/abort.ts";

/** Connects to a unix socket. @throws the system's error, CANCELLED */
export function connectUnix(path: string, signal?: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(abortReason(signal));
      return;
    }
    const socket = createConnection(path);
    const settle = (): void => {
      signal?.removeEventListener("abort", onAbort);
      socket.off("error", onError);
    };
    const onAbort = (): void => {
      settle();
      socket.destroy();
      if (signal !== undefined) reject(abortReason(signal));
    };
    const onError = (error: Error): void => {
      settle();
      reject(error);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.once("error", onError);
    socket.once("connect", () => {
      settle();
      resolve(socket);
    });
  });
}

const RETRY_MS = 10;

/**
 * Connects to a socket that a program which was just started is about to listen on. There is no event for "listens now":
 * the file appears at bind(), before listen(), and connecting in between is refused; so it is tried until it works or
 * the signal fires, which the caller does when the program is gone or took too long.
 */
export async function connectWhenListening(path: string, signal: AbortSignal): Promise<Socket> {
  for (;;) {
    try {
      return await connectUnix(path, signal);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== "ENOENT" && code !== "ECONNREFUSED") throw error;
      await delay(RETRY_MS, signal);
    }
  }
}
