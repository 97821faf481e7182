import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { EXIT_STATUS, HomewardError, toHomewardError } from "../common/errors.ts";
import type { Bench } from "./bench.ts";
import { BENCHES } from "./benches.ts";
import { formatLines, isKept, linesAsJson, type NamedLine } from "./line.ts";
import { say, untilStopped } from "./until-stopped.ts";

const USAGE = `Measures what Homeward promises, each figure against its limit or a peer in the same run.

usage: npm run bench [-- OPTION... NAME...]
  --json        print JSON instead of the table
  --out FILE    where the JSON is written as well (default: out/bench.json)
  --help        print this

${BENCHES.map(({ name, about, onRequest }) => `  ${name.padEnd(17)} ${about}${onRequest ? " (only when named)" : ""}`).join("\n")}
  machines          all of machine-…
  sessions          all of session-…

The status is 1 when a limit was missed.
`;

/** Names of several: what is named so, without the s, and something else. */
const GROUPS = ["machines", "sessions"];

const stopped = untilStopped();

async function runBench(bench: Bench): Promise<NamedLine[]> {
  const startMs = performance.now();
  say(`${bench.name}: ${bench.about}`);
  // Not TMPDIR: a socket's path has at most 107 bytes.
  const dir = await mkdtemp("/tmp/hw-bench-");
  const undo: (() => Promise<void>)[] = [];
  try {
    const lines = await bench.run({ dir, signal: stopped, say, cleanUp: (step) => void undo.push(step) });
    say(`${bench.name}: ${Math.round((performance.now() - startMs) / 1000)} s`);
    return lines.map((line) => ({ bench: bench.name, ...line }));
  } finally {
    for (const step of undo.reverse())
      await step().catch((error: unknown) => {
        say(toHomewardError(error).message);
      });
    await rm(dir, { recursive: true, force: true });
  }
}

function chosen(names: readonly string[]): Bench[] {
  if (names.length === 0) return BENCHES.filter(({ onRequest }) => onRequest !== true);
  return names.flatMap((name) => {
    const found = BENCHES.filter((bench) => bench.name === name || (GROUPS.includes(name) && bench.name.startsWith(`${name.slice(0, -1)}-`)));
    if (found.length === 0) throw new HomewardError("USAGE", `there is nothing to measure named ${name}`, { hint: USAGE });
    return found;
  });
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
      out: { type: "string", default: join(import.meta.dirname, "..", "out", "bench.json") },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const lines: NamedLine[] = [];
  for (const bench of chosen(positionals)) lines.push(...(await runBench(bench)));
  const json = `${JSON.stringify({ type: "bench", at: new Date().toISOString(), lines: linesAsJson(lines) }, null, 2)}\n`;
  const out = resolve(values.out);
  await mkdir(dirname(out), { recursive: true });
  await writeFile(out, json);
  process.stdout.write(values.json ? json : `${formatLines(lines)}\n`);
  return lines.some((line) => isKept(line) === false) ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (thrown) {
  const { code, message, hint } = toHomewardError(stopped.aborted ? stopped.reason : thrown);
  say(hint === undefined ? message : `${message}\n${hint}`);
  process.exitCode = EXIT_STATUS[code];
}
