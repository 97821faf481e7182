import { connect } from "node:net";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { abortReason } from "../common/abort.ts";
import { HomewardError } from "../common/errors.ts";

/** Where the service of a state folder takes what came through ssh. */
export function peerSocket(stateDir: string): string {
  return join(stateDir, "peers.sock");
}

/**
 * Joins a connection from another host, which ssh made of this program's input and output, to the service of the state
 * folder. Nothing of it is looked at here: the service asks for the other host's certificate.
 * @throws ENVIRONMENT if no service runs, CANCELLED
 */
export async function bridgeToService(stateDir: string, input: Readable, output: Writable, signal: AbortSignal): Promise<void> {
  const socket = connect(peerSocket(stateDir));
  const onAbort = (): void => {
    socket.destroy(new HomewardError("CANCELLED", "stopped", { cause: abortReason(signal) }));
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", () => {
        input.pipe(socket);
        socket.pipe(output);
      });
      socket.once("error", (cause: NodeJS.ErrnoException) => {
        const isAbsent = cause.code === "ENOENT" || cause.code === "ECONNREFUSED";
        reject(isAbsent ? noService(stateDir, cause) : cause);
      });
      socket.once("close", () => {
        resolve();
      });
      // ssh is gone.
      input.once("error", () => socket.destroy());
      output.once("error", () => socket.destroy());
    });
  } finally {
    signal.removeEventListener("abort", onAbort);
    socket.destroy();
    // What still comes is for nobody, and would keep this program.
    input.destroy();
  }
}

function noService(stateDir: string, cause: Error): HomewardError {
  return new HomewardError("ENVIRONMENT", `no Homeward service is running for ${stateDir} that other hosts could reach`, {
    cause,
    hint: `"homeward serve --detach" starts it.`,
  });
}
