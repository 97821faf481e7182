#!/usr/bin/env node
import { EXIT_STATUS, HomewardError } from "../common/errors.ts";
import { runProgram } from "./program.ts";

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    // The first asks the service to cancel and waits for it; whoever asks again does not want to wait.
    if (stop.signal.aborted) process.exit(EXIT_STATUS.CANCELLED);
    stop.abort(new HomewardError("CANCELLED", "stopped"));
  });
}
// A reader that goes away early, as in `homeward log NAME | head`, is no error.
process.stdout.on("error", () => {
  process.exit(0);
});

process.exitCode = await runProgram(process.argv.slice(2), {
  stdout: (text) => process.stdout.write(text),
  stderr: process.stderr,
  env: process.env,
  signal: stop.signal,
});
