import { EXIT_STATUS, HomewardError, toHomewardError } from "../common/errors.ts";
import { Cleanup } from "./cleanup.ts";
import { parseOptions, USAGE, type DemoOptions } from "./options.ts";
import { readSession } from "./person.ts";
import { Phases } from "./phases.ts";
import { jsonReporter, textReporter, type Reporter } from "./reporter.ts";
import { runDemo, type DemoOutcome } from "./run.ts";
import { WorkFolder } from "./work-folder.ts";

/** Both hosts hold three generations, a running copy and a twin of a 512 MiB machine with a small disk at most. */
const NEEDED_BYTES = { tiny: 2e9, desktop: 10e9 } as const;

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => {
    stop.abort(new HomewardError("CANCELLED", "stopped; nothing is left running"));
  });
// The end of a pipe, as in `npm run demo | head`: the clean-up still has to happen.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", () => {
    stop.abort(new HomewardError("CANCELLED", "nobody reads the output any more"));
  });

function reporterFor(json: boolean): Reporter {
  return json ? jsonReporter((text) => process.stdout.write(text)) : textReporter(process.stdout, process.stderr);
}

/** Runs the demo and puts everything away again, whatever happens. */
async function demo(options: DemoOptions, reporter: Reporter): Promise<number> {
  const session = await readSession(options.sessionFile, options.guest);
  const cleanup = new Cleanup();
  let outcome: DemoOutcome | undefined;
  let problems: HomewardError[] = [];
  try {
    const work = await WorkFolder.create(NEEDED_BYTES[options.guest]);
    if (options.keep) reporter.say(`Both hosts' folders: ${work.path} (kept)`);
    cleanup.add(() => (options.keep ? work.keep() : work.remove()));
    const context = { options, session, work, cleanup, phases: new Phases(reporter), signal: stop.signal };
    outcome = await runDemo(context);
  } finally {
    problems = await cleanup.run();
    for (const problem of problems) reporter.error(problem);
  }
  const { report, text } = outcome;
  reporter.report(report, text);
  if (problems.length > 0) return EXIT_STATUS.INTERNAL;
  return report.verified && report.back.verified ? 0 : EXIT_STATUS.DAMAGED;
}

async function main(argv: readonly string[]): Promise<number> {
  let reporter = reporterFor(argv.includes("--json"));
  try {
    if (argv.includes("--help")) {
      process.stdout.write(USAGE);
      return 0;
    }
    const options = await parseOptions(argv);
    reporter = reporterFor(options.json);
    return await demo(options, reporter);
  } catch (thrown) {
    // Whatever broke when everything was torn down, the reason is that the user wanted it.
    const error = stop.signal.aborted ? toHomewardError(stop.signal.reason) : toHomewardError(thrown);
    reporter.error(error);
    return EXIT_STATUS[error.code];
  }
}

process.exitCode = await main(process.argv.slice(2));
