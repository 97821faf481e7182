import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { EXIT_STATUS, HomewardError, toHomewardError } from "../common/errors.ts";
import { Cleanup } from "./cleanup.ts";
import { hostLogs } from "./host.ts";
import { parseOptions, USAGE, type DemoOptions } from "./options.ts";
import { readSession } from "./person.ts";
import { Phases } from "./phases.ts";
import { jsonReporter, textReporter, type Reporter } from "./reporter.ts";
import { runDemo, type DemoOutcome } from "./run.ts";
import { WorkFolder } from "./work-folder.ts";

/** Both hosts hold three generations, a running copy and a twin of a 512 MiB machine with a small disk at most. */
const NEEDED_BYTES = { tiny: 2e9, desktop: 10e9 } as const;

const HOST_NAMES = ["boot", "laptop", "home"];

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

/** Saves what the hosts' services wrote, which is about to be removed, and says where. */
async function withLogs(error: HomewardError, work: WorkFolder, out: string): Promise<HomewardError> {
  await mkdir(out, { recursive: true });
  for (const host of HOST_NAMES)
    for (const [kind, path] of Object.entries(hostLogs(work.path, host)))
      await copyFile(path, join(out, `${host}-${kind}.log`)).catch(() => undefined);
  const saved = `What the hosts' services wrote is in ${out}.`;
  return new HomewardError(error.code, error.message, {
    cause: error,
    data: error.data,
    hint: error.hint === undefined ? saved : `${error.hint}\n${saved}`,
  });
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
    try {
      outcome = await runDemo(context);
    } catch (thrown) {
      throw stop.signal.aborted ? thrown : await withLogs(toHomewardError(thrown), work, options.out);
    }
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
