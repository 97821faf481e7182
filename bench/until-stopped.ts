import { HomewardError } from "../common/errors.ts";

/** Fires when the program is told to end. */
export function untilStopped(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => {
      stop.abort(new HomewardError("CANCELLED", "stopped"));
    });
  return stop.signal;
}

/** A line for who watches; results go to the standard output. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
