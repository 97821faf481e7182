import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { withTimeout } from "../../common/abort.ts";
import { exited, start } from "../../common/spawn.ts";
import { allCases, caseAt, caseName, randomOf, type Case } from "./plan.ts";
import { Rig } from "./rig.ts";
import { CaseRun } from "./run-case.ts";
import { lacks, printTables, type ResultLine } from "./tables.ts";

/** Whatever waits for ever, this does not. */
const CASE_MS = 400_000;

const USAGE = `npm run test:faults -- [--seed N] [--from N] [--count N] [--minutes N] [--only TEXT] [--results FILE]... [--fill N]

Injects faults into migrations of the tiny guest between two hosts on this computer, one after the other, and checks after each.
  --seed N      which faults, in which order, with which numbers (default 1)
  --from N      number of the first fault: with --count 1 one fault is repeated (default: what FILE lacks, else 0)
  --count N     how many (default 1300)
  --minutes N   begin none after that time (default: no limit)
  --only TEXT   only those with TEXT in their name, e.g. "kill source @ source:prepared"
  --results FILE  add a line of JSON for each; the tables at the end are of all lines in it, and in the FILEs of further --results,
                which are only read, so that several can run side by side
  --fill N      only those that have struck fewer than N times according to the FILEs; ends when there are none
                (--count 0 only prints the tables)`;

interface Options {
  readonly seed: number;
  readonly from: number | null;
  readonly count: number;
  readonly minutes: number;
  readonly only: string;
  /** The first is added to. */
  readonly results: readonly string[];
  readonly fill: number;
}

function parseOptions(): Options {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: "1" },
      from: { type: "string" },
      count: { type: "string", default: "1300" },
      minutes: { type: "string", default: "Infinity" },
      only: { type: "string", default: "" },
      results: { type: "string", multiple: true, default: [] },
      fill: { type: "string", default: "Infinity" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  const number = (text: string): number => {
    const found = Number(text);
    if (text === "" || Number.isNaN(found) || found < 0) throw new Error(`"${text}" is not a number\n${USAGE}`);
    return found;
  };
  return {
    seed: number(values.seed),
    from: values.from === undefined ? null : number(values.from),
    count: number(values.count),
    minutes: number(values.minutes),
    only: values.only,
    results: values.results.map((path) => resolve(path)),
    fill: number(values.fill),
  };
}

function readResults(paths: readonly string[]): ResultLine[] {
  const text = paths.filter((path) => existsSync(path)).map((path) => readFileSync(path, "utf8"));
  return text.flatMap((lines) => lines.split("\n").filter(Boolean)).map((line) => JSON.parse(line) as ResultLine);
}

/** In namespaces of its own: disks can be mounted and filled there, and nothing outlives it. */
async function becomeAlone(): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), "hw-f-"));
  const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const unshare = [...asRoot, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"];
  const child = await start("unshare", [...unshare, process.execPath, import.meta.filename, ...process.argv.slice(2)], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, FAULTS_DIR: dir },
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill("SIGKILL"));
  const status = await exited(child);
  await rm(dir, { recursive: true, force: true });
  return typeof status === "number" ? status : 1;
}

async function runFaults(dir: string, options: Options): Promise<number> {
  const { seed, count, minutes, only, fill } = options;
  const [results, ...others] = options.results;
  const all = results === undefined ? [] : readResults([results]);
  let began = performance.now();
  const next = all.reduce((last, line) => (line.seed === seed ? Math.max(last, line.index + 1) : last), 0);
  let rig: Rig | null = null;
  let failures = 0;
  let rigs = 0;
  let skipped = 0;
  for (let index = options.from ?? next, done = 0; done < count && performance.now() - began < minutes * 60_000; index++) {
    const one: Case = caseAt(seed, index);
    const isWanted = caseName(one).includes(only) && (fill === Infinity || lacks(one, [...all, ...readResults(others)], fill));
    if (!isWanted) {
      if (++skipped > allCases().length) break;
      continue;
    }
    skipped = 0;
    done++;
    rig ??= await Rig.create(join(dir, String(++rigs)));
    // The time is for faults, not for the guest to boot.
    if (done === 1) began = performance.now();
    const line: ResultLine = { seed, index, ...(await runOne(rig, one, randomOf(seed, index))) };
    console.log(text(line));
    all.push(line);
    if (results !== undefined) {
      mkdirSync(dirname(results), { recursive: true });
      appendFileSync(results, `${JSON.stringify(line)}\n`);
    }
    if (line.problem === undefined) continue;
    failures++;
    await keepLogs(rig, seed, index).catch(() => undefined);
    // What is wrong with this pair of hosts shall not be found again in each of the following.
    await rig.end();
    rig = null;
  }
  await rig?.end();
  printTables([...all, ...readResults(others)], (performance.now() - began) / 1000);
  return failures === 0 ? 0 : 1;
}

async function runOne(rig: Rig, one: Case, random: () => number): Promise<Omit<ResultLine, "seed" | "index">> {
  const began = performance.now();
  try {
    return { case: one, ...(await withTimeout(new CaseRun(rig, one, random).run(), CASE_MS, "the fault")) };
  } catch (error) {
    const seconds = (performance.now() - began) / 1000;
    return { case: one, struck: true, seconds, problem: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

function text({ seed, index, case: one, struck, outcome, state, seconds, notes, problem }: ResultLine): string {
  const head = `${String(seed)}:${String(index)} ${caseName(one)}: `;
  if (problem !== undefined) return `${head}PROBLEM\n${problem}\n  again: npm run test:faults -- --seed ${String(seed)} --from ${String(index)} --count 1`;
  return `${head}${struck ? "" : "did not strike, "}${String(outcome)}, ${String(state)}, ${seconds.toFixed(1)} s [${(notes ?? []).join("; ")}]`;
}

async function keepLogs(rig: Rig, seed: number, index: number): Promise<void> {
  const to = join("out", "faults", `${String(seed)}-${String(index)}`);
  mkdirSync(to, { recursive: true });
  const { copyFile } = await import("node:fs/promises");
  for (const { service, disk } of rig.hosts) {
    await copyFile(join(service.state, "service.log"), join(to, `${service.name}.service.log`)).catch(() => undefined);
    await copyFile(join(service.state, "homeward.db"), join(to, `${service.name}.db`)).catch(() => undefined);
    await copyFile(join(service.state, "homeward.db-wal"), join(to, `${service.name}.db-wal`)).catch(() => undefined);
    await copyFile(join(disk, `${service.name}.log`), join(to, `${service.name}.log`)).catch(() => undefined);
  }
  console.log(`  logs: ${to}`);
}

try {
  const options = parseOptions();
  const dir = process.env["FAULTS_DIR"];
  process.exit(dir === undefined ? await becomeAlone() : await runFaults(dir, options));
} catch (error) {
  console.error(error);
  process.exit(2);
}
