import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { EXIT_STATUS, HomewardError, toHomewardError } from "../../common/errors.ts";
import { benchDemo } from "../demo-context.ts";
import { bytesChart, originsChart } from "./chart.ts";
import { compare, PEERS } from "./compare.ts";
import { PLAYED_FILE, playAndKeep } from "./homeward.ts";
import { addLive } from "./live.ts";
import { RATES_MBIT, ROUND_TRIP_MS, sessionResultSchema, type SessionResult } from "./method.ts";
import { formatResult, LEGEND } from "./table.ts";
import { say, untilStopped } from "../until-stopped.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const SESSIONS: Readonly<Record<string, string>> = {
  office: "bench/peers/sessions/office-long.json",
  developer: "bench/peers/sessions/developer-long.json",
  shell: "bench/peers/sessions/shell-long.json",
  media: "bench/peers/sessions/media.json",
  slow: "demo/sessions/slow.json",
};

const USAGE = `Plays a session on the desktop guest once and moves its end in every way there is.

usage: npm run bench:peers [-- OPTION...]
  --session NAME   one of ${Object.keys(SESSIONS).join(", ")}; may be given several times (default: all)
  --peer NAME      one of ${PEERS.map(({ name }) => name).join(", ")}; may be given several times (default: all)
  --rates LIST     Mbit/s at which Homeward is measured and not computed, of 1, 10 and 100; the first gives its bytes (default: 1,10,100)
  --keep           leaves the recorded states in DIR/states for --reuse, 1.5 GB a session
  --reuse          takes recorded states, where there are any, instead of playing; rows of an
                   earlier run stay unless they are measured again
  --record         records and measures what needs the guest, and leaves the peers for --reuse
  --json           prints JSON instead of tables
  --out DIR        for NAME.json of each session, table.txt and the charts of all in it (default: out/peers)
  --help           prints this
`;

const stopped = untilStopped();

/** A folder of its own for sockets too: their paths have at most 107 bytes, which TMPDIR may not leave. */
async function inOwnFolder<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp("/tmp/hw-peers-");
  try {
    return await work(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Everything that needs the guest: the session, Homeward, QEMU's live migration. What it leaves is for the peers. */
async function record(name: string, states: string, rates: readonly number[]): Promise<void> {
  const linkText = `${rates[0] ?? 1}mbit,${ROUND_TRIP_MS}ms`;
  const demo = await benchDemo({ sessionFile: join(ROOT, SESSIONS[name] ?? ""), guest: "desktop", linkText, say, signal: stopped });
  try {
    await playAndKeep(demo, states, rates, say);
  } finally {
    for (const problem of await demo.cleanup.run()) say(problem.message);
  }
  say("  QEMU's live migration");
  await inOwnFolder((dir) => addLive(states, dir, stopped));
}

async function isThere(path: string): Promise<boolean> {
  return readFile(path).then(
    () => true,
    () => false,
  );
}

async function readResult(path: string): Promise<SessionResult> {
  return sessionResultSchema.parse(JSON.parse(await readFile(path, "utf8")));
}

/** All results that are kept in a folder, in the order of the sessions. */
async function keptResults(out: string): Promise<SessionResult[]> {
  const names = new Set(await readdir(out));
  const kept = Object.keys(SESSIONS).filter((name) => names.has(`${name}.json`));
  return Promise.all(kept.map((name) => readResult(join(out, `${name}.json`))));
}

function chosen<T>(names: readonly string[] | undefined, all: ReadonlyMap<string, T>, what: string): [string, T][] {
  return (names ?? [...all.keys()]).map((name) => {
    const found = all.get(name);
    if (found === undefined) throw new HomewardError("USAGE", `there is no ${what} ${name}`, { hint: USAGE });
    return [name, found];
  });
}

function ratesOf(list: string): number[] {
  const rates = list.split(",").map(Number);
  if (rates.every((rate) => RATES_MBIT.some((known) => known === rate))) return rates;
  throw new HomewardError("USAGE", `not a list of rates: ${list}`, { hint: USAGE });
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      session: { type: "string", multiple: true },
      peer: { type: "string", multiple: true },
      rates: { type: "string", default: RATES_MBIT.join(",") },
      keep: { type: "boolean", default: false },
      reuse: { type: "boolean", default: false },
      record: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      out: { type: "string", default: join(ROOT, "out", "peers") },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const out = resolve(values.out);
  const rates = ratesOf(values.rates);
  const peers = chosen(values.peer, new Map(PEERS.map((peer) => [peer.name, peer])), "peer").map(([, peer]) => peer);
  for (const [name] of chosen(values.session, new Map(Object.entries(SESSIONS)), "session")) {
    say(name);
    const states = join(out, "states", name);
    await mkdir(states, { recursive: true });
    if (!values.reuse || !(await isThere(join(states, PLAYED_FILE)))) await record(name, states, rates);
    if (values.record) continue;
    const file = join(out, `${name}.json`);
    const kept = values.reuse && (await isThere(file)) ? (await readResult(file)).rows : [];
    const onResult = (result: SessionResult): Promise<void> => writeFile(file, `${JSON.stringify(result, null, 2)}\n`);
    await inOwnFolder((dir) => compare({ states, dir, peers, kept, onResult, say, signal: stopped }));
    if (!values.keep && !values.reuse) await rm(states, { recursive: true, force: true });
  }
  if (values.record) return 0;
  const results = await keptResults(out);
  const table = `${results.map(formatResult).join("\n")}\n${LEGEND}`;
  await writeFile(join(out, "table.txt"), table);
  await writeFile(join(out, "bytes.svg"), bytesChart(results));
  await writeFile(join(out, "origins.svg"), originsChart(results));
  process.stdout.write(values.json ? `${JSON.stringify(results, null, 2)}\n` : table);
  return 0;
}

try {
  process.exitCode = await main();
} catch (thrown) {
  const { code, message, hint } = toHomewardError(stopped.aborted ? stopped.reason : thrown);
  say(hint === undefined ? message : `${message}\n${hint}`);
  process.exitCode = EXIT_STATUS[code];
}
