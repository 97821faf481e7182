import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { EXIT_STATUS, HomewardError, toHomewardError } from "../../common/errors.ts";
import { TwoHosts, WORKSPACE, makeTiny, stillPicture, type, type TestHost } from "../e2e/migration-hosts.ts";
import { MAY_GROW, QUANTITIES, slope, takeSample, type Sample } from "./sample.ts";

const USAGE = `npm run test:soak -- [--rounds N]

A workspace goes there and back N times (default 50), with work in between, and both services are looked at after each time:
memory, descriptors, threads, processes, files and disk have to stay flat, or the status is 1.
`;

/** How many rounds the arguments ask for; null for help. @throws USAGE */
function roundsAsked(): number | null {
  try {
    const { values } = parseArgs({ options: { rounds: { type: "string", default: "50" }, help: { type: "boolean", default: false } } });
    if (values.help) return null;
    if (!/^[1-9]\d{0,4}$/.test(values.rounds)) throw new Error(`--rounds takes a whole number from 1 on, not "${values.rounds}"`);
    return Number(values.rounds);
  } catch (error) {
    throw new HomewardError("USAGE", error instanceof Error ? error.message : String(error));
  }
}

let rounds = 0;
try {
  const asked = roundsAsked();
  if (asked === null) {
    process.stdout.write(USAGE);
    process.exit(0);
  }
  rounds = asked;
} catch (error) {
  process.stderr.write(`${toHomewardError(error).message}\n\n${USAGE}`);
  process.exit(EXIT_STATUS.USAGE);
}
/** What happens only once, such as reading code, is over then. */
const WARM_UP = Math.min(10, Math.floor(rounds / 4));

/** Types a line and moves the workspace; returns the bytes that this took. */
async function workAndMove(from: TestHost, to: TestHost, line: string): Promise<number> {
  const here = await from.console();
  await type(here, line);
  await stillPicture(here);
  here.close();
  const report = await from.call("migrate", { workspace: WORKSPACE, peer: to.name, mode: "replay" });
  if (!report.verified || report.root_destination !== report.root_source) throw new Error("not verified");
  return report.bytes.total;
}

/** A collection of garbage takes a tenth of that; one that comes too late makes the memory look larger, never smaller. */
const COLLECTED_MS = 500;

async function sampleOf(host: TestHost): Promise<Sample> {
  while ((await host.call("gc", {})).postponed);
  process.kill(host.pid ?? 0, "SIGUSR2");
  await delay(COLLECTED_MS);
  return takeSample(host.pid ?? 0, host.state);
}

function row(cells: readonly (string | number)[]): string {
  return `| ${cells.map((cell) => (typeof cell === "number" ? String(Math.round(cell * 10) / 10) : cell)).join(" | ")} |`;
}

const hosts = await TwoHosts.create(makeTiny, { preload: join(import.meta.dirname, "collect.ts") });
const samples: Record<"near" | "far", Sample[]> = { near: [], far: [] };
const began = performance.now();
let bytes = 0;
let failed = false;
try {
  console.log(row(["round", ...["near", "far"].flatMap((name) => QUANTITIES.map((quantity) => `${name} ${quantity}`))]));
  console.log(row(Array.from({ length: 1 + 2 * QUANTITIES.length }, () => "---")));
  for (let round = 1; round <= rounds; round++) {
    bytes += await workAndMove(hosts.near, hosts.far, `clear;seq ${String(round)} 900 >a;md5sum a\n`);
    bytes += await workAndMove(hosts.far, hosts.near, "clear;cat a a >b;sync;md5sum b\n");
    for (const host of [hosts.near, hosts.far] as const) samples[host === hosts.near ? "near" : "far"].push(await sampleOf(host));
    const last = (name: "near" | "far"): number[] => QUANTITIES.map((quantity) => samples[name].at(-1)?.[quantity] ?? 0);
    if (round === 1 || round % 5 === 0 || round === rounds) console.log(row([round, ...last("near"), ...last("far")]));
  }
  console.log(`\n${String(2 * rounds)} migrations, ${(bytes / 1e6).toFixed(1)} MB on the line, ${((performance.now() - began) / 1000).toFixed(0)} s`);
  console.log(`\nGrowth from round ${String(WARM_UP + 1)} to ${String(rounds)}, by the line that fits best:\n`);
  console.log(row(["what", "near", "far", "may be"]));
  console.log(row(["---", "---", "---", "---"]));
  for (const quantity of QUANTITIES) {
    const grown = (["near", "far"] as const).map((name) => {
      const counted = samples[name].slice(WARM_UP).map((sample) => sample[quantity]);
      return slope(counted) * (counted.length - 1);
    });
    const isTooMuch = grown.some((growth) => growth > MAY_GROW[quantity]);
    failed ||= isTooMuch;
    console.log(row([quantity, ...grown, `${String(MAY_GROW[quantity])}${isTooMuch ? " TOO MUCH" : ""}`]));
  }
} finally {
  await hosts.end();
}
process.exitCode = failed ? 1 : 0;
