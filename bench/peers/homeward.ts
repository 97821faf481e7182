import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { HomewardError } from "../../common/errors.ts";
import { noProgress } from "../../common/progress.ts";
import type { DemoContext } from "../../demo/context.ts";
import { parseLinkSpeed } from "../../demo/link/speed.ts";
import { useMachine, wakeMachine } from "../../demo/person.ts";
import { prepare } from "../../demo/prepare.ts";
import { setUpHosts, type TwoHosts } from "../../demo/two-hosts.ts";
import { WORKSPACE } from "../../demo/workspace-name.ts";
import { BLOCK_BYTES } from "../../syncer/index.ts";
import type { MigrationReport } from "../../protocol/report.ts";
import { MODEL_LEVEL } from "../../protocol/residual/limits.ts";
import { keepStates } from "../residual/keep-states.ts";
import { originsSchema, ROUND_TRIP_MS, rowSchema, timesFromMeasured, type Row } from "./method.ts";
import { TreeUse } from "./process-tree.ts";

/** Beside the states: what Homeward itself took, from the same source, in the same run. */
export const PLAYED_FILE = "played.json";

export const playedSchema = z.strictObject({
  session: z.string().max(100),
  description: z.string().max(500),
  played_s: z.number().nonnegative(),
  /** Bytes of the input log that a replay needs. */
  log_bytes: z.number().int().nonnegative(),
  rows: z.array(rowSchema),
  origins: z.strictObject({ overlay: originsSchema, replay: originsSchema }),
});
export type Played = z.infer<typeof playedSchema>;

/** As strong as the others are set; what a host would choose by itself depends on the line and on how busy it is. */
const LEVEL = MODEL_LEVEL;

interface Measured {
  readonly row: Row;
  readonly report: MigrationReport;
}

/** The move rehearsed in one mode at each rate; bytes, processor time and memory are those of the first. */
async function rehearse(
  { laptop, home, link }: TwoHosts,
  root: string,
  mode: "overlay" | "replay",
  rates: readonly number[],
  { phases, signal }: DemoContext,
): Promise<Measured> {
  const seconds = new Map<number, number>();
  let first: Omit<Measured, "row"> & { bytes: number; cpuS: number; peakBytes: number } | undefined;
  for (const mbit of rates) {
    await link.setSpeed(parseLinkSpeed(`${mbit}mbit,${ROUND_TRIP_MS}ms`));
    const uses = await Promise.all([laptop.pid, home.pid].map((pid) => TreeUse.start(pid)));
    const before = await link.settledBytes();
    const report = await phases.run(`${mode} at ${mbit} Mbit/s`, 60, (progress) =>
      laptop.call("measure", { workspace: WORKSPACE, root, peer: home.name, mode, level: LEVEL }, { signal, progress }),
    );
    const bytes = (await link.settledBytes()) - before;
    const took = await Promise.all(uses.map((use) => use.end()));
    if (!report.verified) throw new HomewardError("DAMAGED", `${mode} did not give the source's state`, { data: report });
    seconds.set(mbit, report.phases.click_to_usable_s);
    first ??= {
      report,
      bytes,
      cpuS: took.reduce((sum, { cpuS }) => sum + cpuS, 0),
      peakBytes: Math.max(...took.map(({ peakBytes }) => peakBytes)),
    };
  }
  if (first === undefined) throw new HomewardError("USAGE", "no rate to measure at");
  const { report, bytes, cpuS, peakBytes } = first;
  const row: Row = {
    method: `Homeward ${mode}`,
    bytes,
    times: timesFromMeasured(bytes, seconds),
    cpu_s: cpuS,
    peak_bytes: peakBytes,
    identical: report.verified,
    note: [`level ${report.level}`, ...(mode === "replay" ? [replayText(report)] : []), ...report.notes].join("; ").slice(0, 500),
  };
  return { row, report };
}

function replayText({ replay, checkpoints }: MigrationReport): string {
  if (replay === null) return "NOTHING WAS REPLAYED";
  const matched = `${checkpoints.matched} of ${checkpoints.total} checkpoints`;
  return replay.gave_up === null ? matched : `${matched}, given up: ${replay.gave_up}`;
}

function origins({ blocks: { zero, generation, twin, shipped } }: MigrationReport): z.infer<typeof originsSchema> {
  const bytes = (blocks: number): number => blocks * BLOCK_BYTES;
  return { zero: bytes(zero), generation: bytes(generation), twin: bytes(twin), shipped: bytes(shipped) };
}

/**
 * Plays the session once between two hosts, suspends and seals it, rehearses the move in both modes, and keeps the states
 * with one twin's in `out` for everybody else.
 * @param rates Mbit/s to measure at, at least one; the first gives bytes, processor time and memory
 */
export async function playAndKeep(demo: DemoContext, out: string, rates: readonly number[], say: (text: string) => void): Promise<void> {
  const { phases, signal, session } = demo;
  const sealed = await prepare("desktop", demo);
  const hosts = await phases.run("start both hosts", 15, (progress) => setUpHosts(sealed.dir, progress, demo));
  const { laptop, home } = hosts;
  const client = await wakeMachine(laptop, noProgress, signal);
  const startMs = performance.now();
  await phases.run(`session ${session.name}`, 150, (progress) => useMachine(client, session, progress, signal));
  const playedS = (performance.now() - startMs) / 1000;
  client.close();
  await laptop.call("suspend", { workspace: WORKSPACE }, { signal });
  const { root } = await laptop.call("seal", { workspace: WORKSPACE }, { signal });
  const overlay = await rehearse(hosts, root, "overlay", rates, demo);
  const replay = await rehearse(hosts, root, "replay", rates, demo);
  await Promise.all([laptop.suspendAndStop(), home.suspendAndStop()]);
  await keepStates({ stateDir: laptop.stateDir, root, out, replays: 1 }, demo, say);
  const played: Played = {
    session: session.name,
    description: session.description,
    played_s: playedS,
    log_bytes: replay.report.bytes.log,
    rows: [overlay.row, replay.row],
    origins: { overlay: origins(overlay.report), replay: origins(replay.report) },
  };
  await writeFile(join(out, PLAYED_FILE), `${JSON.stringify(playedSchema.parse(played), null, 2)}\n`);
}
