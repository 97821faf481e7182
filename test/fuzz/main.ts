import { setPriority } from "node:os";
import { parseArgs } from "node:util";
import { EXIT_STATUS, HomewardError, toHomewardError } from "../../common/errors.ts";
import { formatTable } from "../../common/table.ts";
import { PARSERS, sharedOut } from "./parsers/index.ts";
import { runWatched } from "./watch.ts";
import type { FuzzReport } from "./worker.ts";

const USAGE = `Feeds every parser of what comes from a peer, a guest or a file with inputs that were changed at random.

usage: npm run test:fuzz [-- OPTION...]
  --inputs N      how many in all (default: 1000000)
  --seed S        the inputs follow from it (default: of the time)
  --parser NAME   only this one; may be given more than once
  --from I        number of the first input (default: 0); with --inputs 1 that input alone
  --uncovered     list the branches that were not reached
  --help          print this

${Object.keys(PARSERS).map((name) => `  ${name}`).join("\n")}

The status is 1 when an input failed, or when a parser's inputs reach less than 90 % of its branches.
`;

const MIN_BRANCHES = 0.9;

function number(text: string, flag: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new HomewardError("USAGE", `--${flag} takes a whole number, not "${text}"`);
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function share({ branches }: FuzzReport): number {
  return branches === null ? 0 : branches.covered / branches.all;
}

function row(report: FuzzReport): string[] {
  const { parser, inputs, accepted, refused, failures, more, branches } = report;
  const reached = branches === null ? "" : `${(100 * share(report)).toFixed(1)} % of ${branches.all}`;
  return [parser, String(inputs), String(accepted), String(refused), String(failures.length + more), reached];
}

function table(reports: readonly FuzzReport[]): string {
  const sum = (of: (report: FuzzReport) => number): string => String(reports.reduce((all, report) => all + of(report), 0));
  const heading = ["parser", "inputs", "accepted", "refused", "failed", "branches reached"];
  const all = ["all", sum(({ inputs }) => inputs), sum(({ accepted }) => accepted), sum(({ refused }) => refused), sum(({ failures }) => failures.length), ""];
  return formatTable([heading, ...reports.map(row), all], ["left", "right", "right", "right", "right", "right"]);
}

function tell({ parser, failures, more }: FuzzReport, seed: number): void {
  for (const { index, what, detail, input } of failures) {
    say(`\n${parser}, seed ${seed}, input ${index}: ${what}\n${detail}\nminimised: ${input}`);
    say(`again: npm run test:fuzz -- --parser ${parser} --seed ${seed} --from ${index} --inputs 1`);
  }
  if (more > 0) say(`\n${parser}: ${more} more ways to fail`);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      inputs: { type: "string", default: "1000000" },
      seed: { type: "string", default: String(Date.now() % 1_000_000_000) },
      parser: { type: "string", multiple: true },
      from: { type: "string", default: "0" },
      uncovered: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const unknown = values.parser?.find((name) => !Object.hasOwn(PARSERS, name));
  if (unknown !== undefined) throw new HomewardError("USAGE", `there is no parser ${unknown}`, { hint: USAGE });
  const [seed, from, inputs] = [number(values.seed, "seed"), number(values.from, "from"), number(values.inputs, "inputs")];
  setPriority(19);
  const began = performance.now();
  const reports: FuzzReport[] = [];
  for (const { parser, inputs: count } of sharedOut(inputs, values.parser)) {
    const startMs = performance.now();
    const [report] = await runWatched([{ parser, seed, from, inputs: count }], { branches: true });
    if (report === undefined) throw new HomewardError("INTERNAL", `no report of ${parser}`);
    reports.push(report);
    tell(report, seed);
    say(`${row(report).join("  ")}  (${Math.round((performance.now() - startMs) / 1000)} s)`);
    if (values.uncovered) say(report.branches?.missed.join("\n") ?? "");
  }
  process.stdout.write(`${table(reports)}\nseed ${seed}, ${Math.round((performance.now() - began) / 1000)} s\n`);
  const poor = reports.filter((report) => share(report) < MIN_BRANCHES);
  // One input alone is run to look at it.
  if (inputs > 1 && poor.length > 0) say(`less than ${100 * MIN_BRANCHES} % reached: ${poor.map(({ parser }) => parser).join(", ")}`);
  return reports.some(({ failures }) => failures.length > 0) || (inputs > 1 && poor.length > 0) ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (thrown) {
  const { code, message, hint } = toHomewardError(thrown);
  say(hint === undefined ? message : `${message}\n${hint}`);
  process.exitCode = EXIT_STATUS[code];
}
