import { parseArgs } from "node:util";
import { EXIT_STATUS, HomewardError, toHomewardError } from "../common/errors.ts";
import type { Progress } from "../common/progress.ts";
import { buildGuest } from "./build.ts";
import { GUEST_NAMES, type GuestName } from "./definition.ts";

const USAGE = `usage: node guests/main.ts build ${GUEST_NAMES.join("|")} [--cache DIR]`;

function isGuestName(text: string | undefined): text is GuestName {
  return (GUEST_NAMES as readonly string[]).includes(text ?? "");
}

/** Progress on stderr: one line that is rewritten on a terminal, one line per step elsewhere. */
function stderrProgress(): Progress {
  let lastNote = "";
  return {
    update({ phase, done, total = 1, note = "" }) {
      const line = `${phase}: ${Math.round((100 * done) / total)} % ${note}`;
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
      else if (note !== lastNote) process.stderr.write(`${line}\n`);
      lastNote = note;
    },
  };
}

async function main(args: readonly string[]): Promise<void> {
  const { positionals, values } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { cache: { type: "string" } },
  });
  const [verb, name] = positionals;
  if (verb !== "build" || !isGuestName(name) || positionals.length !== 2) throw new HomewardError("USAGE", USAGE);
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      stop.abort(new HomewardError("CANCELLED", `stopped by ${signal}`));
    });
  }
  const guest = await buildGuest(name, {
    progress: stderrProgress(),
    signal: stop.signal,
    ...(values.cache === undefined ? {} : { cacheDir: values.cache }),
  });
  if (process.stderr.isTTY) process.stderr.write("\n");
  for (const [step, ms] of guest.took) process.stderr.write(`${step}: ${(ms / 1000).toFixed(1)} s\n`);
  process.stdout.write(`${guest.dir}\n`);
}

main(process.argv.slice(2)).catch((thrown: unknown) => {
  const isUsage = thrown instanceof TypeError && "code" in thrown && String(thrown.code).startsWith("ERR_PARSE_ARGS");
  const error = isUsage ? new HomewardError("USAGE", `${thrown.message}\n${USAGE}`) : toHomewardError(thrown);
  process.stderr.write(`\n${error.message}\n${error.hint === undefined ? "" : `${error.hint}\n`}`);
  process.exitCode = EXIT_STATUS[error.code];
});
