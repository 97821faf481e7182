import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { EXIT_STATUS, HomewardError, toHomewardError } from "../../common/errors.ts";
import { benchDemo } from "../demo-context.ts";
import { playAndKeep } from "./homeward.ts";
import { ROUND_TRIP_MS } from "./method.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const SESSIONS: Readonly<Record<string, string>> = {
  office: "bench/peers/sessions/office-long.json",
  developer: "bench/peers/sessions/developer-long.json",
  shell: "bench/peers/sessions/shell-long.json",
  media: "bench/peers/sessions/media.json",
  slow: "demo/sessions/slow.json",
};
const OUT = join(ROOT, "out", "peers");

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => {
    stop.abort(new HomewardError("CANCELLED", "stopped"));
  });

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function play(name: string, states: string, rates: readonly number[]): Promise<void> {
  const file = SESSIONS[name];
  if (file === undefined) throw new HomewardError("USAGE", `there is no session ${name}: ${Object.keys(SESSIONS).join(", ")}`);
  const linkText = `${rates[0] ?? 1}mbit,${ROUND_TRIP_MS}ms`;
  const demo = await benchDemo({ sessionFile: join(ROOT, file), guest: "desktop", linkText, say, signal: stop.signal });
  try {
    await playAndKeep(demo, states, rates, say);
  } finally {
    for (const problem of await demo.cleanup.run()) say(problem.message);
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { session: { type: "string", multiple: true }, rates: { type: "string", default: "1,10,100" } },
  });
  const rates = values.rates.split(",").map(Number);
  for (const name of values.session ?? Object.keys(SESSIONS)) {
    const states = join(OUT, "states", name);
    await mkdir(states, { recursive: true });
    await play(name, states, rates);
  }
  return 0;
}

try {
  process.exitCode = await main();
} catch (thrown) {
  const { code, message, hint } = toHomewardError(stop.signal.aborted ? stop.signal.reason : thrown);
  say(hint === undefined ? message : `${message}\n${hint}`);
  process.exitCode = EXIT_STATUS[code];
}
