import type { Writable } from "node:stream";
import { abortReason } from "../../common/abort.ts";

/** Resolves when a stream that had enough takes more. @throws the signal's reason when that fires first */
export function drained(stream: Writable, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      stream.off("drain", onDrain);
      signal.removeEventListener("abort", onAbort);
    };
    const onDrain = (): void => {
      settle();
      resolve();
    };
    const onAbort = (): void => {
      settle();
      reject(abortReason(signal));
    };
    if (signal.aborted) {
      onAbort();
      return;
    }
    stream.once("drain", onDrain);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
