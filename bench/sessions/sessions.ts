import { join } from "node:path";
import { noProgress } from "../../common/progress.ts";
import { stopAndCopy } from "../../demo/alternatives.ts";
import { parseLinkSpeed } from "../../demo/link/speed.ts";
import { useMachine, wakeMachine } from "../../demo/person.ts";
import { prepare } from "../../demo/prepare.ts";
import { setUpHosts } from "../../demo/two-hosts.ts";
import { WORKSPACE } from "../../demo/workspace-name.ts";
import type { GuestName } from "../../guests/definition.ts";
import type { Bench, BenchContext } from "../bench.ts";
import { benchDemo } from "../demo-context.ts";
import type { Line } from "../line.ts";

const SESSIONS = join(import.meta.dirname, "..", "..", "demo", "sessions");
const RATES_MBIT = [1, 10, 100];
const ROUND_TRIP_MS = 50;

/** The session played once, suspended once, and moved in every way at every rate from there. */
async function measure(context: BenchContext, session: string, guest: GuestName): Promise<Line[]> {
  const { signal, say, cleanUp } = context;
  const linkText = `${RATES_MBIT[0] ?? 1}mbit,${ROUND_TRIP_MS}ms`;
  const demo = await benchDemo({ sessionFile: join(SESSIONS, `${session}.json`), guest, linkText, say, signal });
  cleanUp(async () => {
    for (const problem of await demo.cleanup.run()) say(problem.message);
  });
  const { phases } = demo;
  const sealed = await prepare(guest, demo);
  const hosts = await phases.run("start both hosts", 15, (progress) => setUpHosts(sealed.dir, progress, demo));
  const { laptop, home, link } = hosts;
  const client = await wakeMachine(laptop, noProgress, signal);
  await phases.run(`session ${session}`, 60, (progress) => useMachine(client, demo.session, progress, signal));
  client.close();
  await laptop.call("suspend", { workspace: WORKSPACE }, { signal });
  const { root } = await laptop.call("seal", { workspace: WORKSPACE }, { signal });
  const startMs = performance.now();
  const copied = await stopAndCopy(laptop, root, noProgress, signal);
  const packS = (performance.now() - startMs) / 1000;
  const lines: Line[] = [];
  for (const rate of RATES_MBIT) {
    await link.setSpeed(parseLinkSpeed(`${rate}mbit,${ROUND_TRIP_MS}ms`));
    for (const mode of ["replay", "overlay", "auto"] as const) {
      const before = await link.settledBytes();
      const report = await phases.run(`${mode} at ${rate} Mbit/s`, 60, (progress) =>
        laptop.call("measure", { workspace: WORKSPACE, root, peer: home.name, mode }, { signal, progress }),
      );
      const bytes = (await link.settledBytes()) - before;
      lines.push({ what: `${mode}, ${rate} Mbit/s, level ${report.level}`, value: bytes / 1e3, unit: "kB" });
      lines.push({ what: "  from click to usable", value: report.phases.click_to_usable_s, unit: "s" });
      for (const note of report.notes) context.say(`  ${note}`);
      if (report.choice !== null) context.say(`  ${report.choice.why}${report.choice.stopped === null ? "" : `; ended ${report.choice.stopped}`}`);
      // Without it nobody can tell a costly session from a replay that a busy computer spoilt.
      const { total, matched } = report.checkpoints;
      if (report.mode === "replay" && total > 0) lines.push({ what: "  pictures that matched", value: (100 * matched) / total, unit: "%" });
    }
    lines.push({ what: `stop and copy, ${rate} Mbit/s, level 3`, value: copied / 1e3, unit: "kB" });
    // Packing and sending overlap: the slower one decides.
    lines.push({ what: "  at best", value: Math.max(packS, (copied * 8) / (rate * 1e6)), unit: "s" });
  }
  return lines;
}

function sessionBench(session: string, guest: GuestName): Bench {
  return {
    name: `session-${session}`,
    about: `replay, overlay, stop and copy at 1, 10 and 100 Mbit/s after the session ${session} (${guest})`,
    onRequest: true,
    run: (context) => measure(context, session, guest),
  };
}

/** Every session that is shipped. */
export const sessions: readonly Bench[] = [
  sessionBench("console", "tiny"),
  sessionBench("shell", "desktop"),
  sessionBench("developer", "desktop"),
  sessionBench("office", "desktop"),
];
