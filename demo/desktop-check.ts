import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { HomewardError, EXIT_STATUS, toHomewardError } from "../common/errors.ts";
import { formatBytes, formatSeconds, formatShare } from "../common/quantities.ts";
import { exited, start } from "../common/spawn.ts";
import { shortcomings } from "./promises.ts";
import { demoReportSchema, type DemoReport } from "./report.ts";

/**
 * Runs the desktop demo with each shipped session and checks its report against what is promised:
 *   npm run test:desktop [-- --runs N --session NAME...]
 */
const DEMO = join(import.meta.dirname, "main.ts");
const SESSIONS = ["shell", "office", "developer"] as const;
const OUT = join(import.meta.dirname, "..", "out");

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => {
    stop.abort(new HomewardError("CANCELLED", "stopped"));
  });

/** Runs one demo and returns its report. */
async function runDemo(session: string, out: string): Promise<DemoReport> {
  const file = join(import.meta.dirname, "sessions", `${session}.json`);
  const args = [DEMO, "--json", "--guest", "desktop", "--session", file, "--out", out];
  const child = await start(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const onAbort = (): void => {
    child.kill("SIGTERM");
  };
  stop.signal.addEventListener("abort", onAbort, { once: true });
  let last = "";
  if (child.stdout !== null) for await (const line of createInterface({ input: child.stdout })) last = line;
  const status = await exited(child);
  stop.signal.removeEventListener("abort", onAbort);
  if (stop.signal.aborted) throw toHomewardError(stop.signal.reason);
  if (status !== 0) throw new HomewardError("INTERNAL", `the demo ended with ${status}: ${last.slice(0, 2000)}`);
  return demoReportSchema.parse(JSON.parse(last));
}

function summary(report: DemoReport, seconds: number): string {
  const { bytes, compare, checkpoints, phases } = report;
  return (
    `${formatBytes(bytes.total)}, ${formatShare(bytes.total, compare.overlay_bytes)} of the overlay's` +
    ` ${formatBytes(compare.overlay_bytes)}; ${checkpoints.matched} of ${checkpoints.total} checkpoints;` +
    ` replay ${formatSeconds(phases.replay_s)}; demo ${formatSeconds(seconds)}`
  );
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { runs: { type: "string", default: "1" }, session: { type: "string", multiple: true } },
  });
  await mkdir(OUT, { recursive: true });
  let failures = 0;
  for (let run = 1; run <= Number(values.runs); run++)
    for (const session of values.session ?? SESSIONS) {
      process.stdout.write(`${session}, run ${run}: `);
      const startMs = performance.now();
      const report = await runDemo(session, join(OUT, `check-${session}-${run}`));
      const found = shortcomings(session, report);
      failures += found.length;
      process.stdout.write(`${summary(report, (performance.now() - startMs) / 1000)}\n`);
      for (const shortcoming of found) process.stdout.write(`  NOT KEPT: ${shortcoming}\n`);
    }
  process.stdout.write(failures === 0 ? "All promises kept.\n" : `${failures} promises not kept.\n`);
  return failures === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (thrown) {
  const { code, message } = toHomewardError(thrown);
  process.stderr.write(`\n${message}\n`);
  process.exitCode = EXIT_STATUS[code];
}
