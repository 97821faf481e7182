import { join } from "node:path";
import { delay } from "../../common/abort.ts";
import { playSession } from "../../demo/session/player.ts";
import { parseSession, type Session } from "../../demo/session/format.ts";
import { RfbClient } from "../../vm/rfb/rfb-client.ts";
import type { Bench, BenchContext } from "../bench.ts";
import type { Line } from "../line.ts";
import { compareDelays, type Delays } from "./delay.ts";
import { RecorderProcess, startBarePipe } from "./recorder-process.ts";
import { bootTiny } from "./tiny-machine.ts";
import { VncTap } from "./vnc-tap.ts";

/** Rounds of ordinary use; together a good minute. */
const ROUNDS = 4;
const MOVING_MS = 20_000;

/** Somebody who types and points without a pause, as fast as people do: 11 keys a second, 60 positions a second. */
function busyPerson(): Session {
  const line = (text: string): object => ({ type: text });
  const steps = Array.from({ length: ROUNDS }, (_, round) => [
    line(`echo the quick brown fox jumps over the lazy dog ${round}\n`),
    { click: [100 + round * 40, 60] },
    line("ls -la /etc | head -20; cat readme\n"),
    { drag: [[60, 300], [640, 90]] },
    { click: [360, 200] },
    line("seq 1 40 | tr '\\n' ' '; wc -l /etc/passwd; clear\n"),
    { scroll: { at: [200, 350], by: 4 } },
    { drag: [[650, 40], [90, 380]] },
    { click: [620, 330] },
  ]).flat();
  return parseSession(
    JSON.stringify({
      name: "busy",
      description: "Types and points all the time.",
      guest: "tiny",
      pace: { key_ms: 90, pause_ms: 0, move_ms: 700 },
      steps,
    }),
  );
}

async function ordinaryUse(viewer: RfbClient, recorder: RecorderProcess, signal: AbortSignal): Promise<Line[]> {
  const before = await recorder.figures("flush");
  const startMs = performance.now();
  await playSession(viewer, busyPerson(), { signal });
  const tookMs = performance.now() - startMs;
  const used = (await recorder.figures("now")).processorMs - before.processorMs;
  const { logBytes, events } = await recorder.figures("flush");
  return [
    {
      what: `input log, typing and pointing all the time for ${Math.round(tookMs / 1000)} s, ${events} events`,
      value: ((logBytes - before.logBytes) * 60) / tookMs,
      unit: "kB/min",
      limit: { atMost: 20 },
    },
    { what: "recorder and relay meanwhile, of a core", value: (100 * used) / tookMs, unit: "%", limit: { atMost: 3 } },
  ];
}

/** A guest that fills its screen again and again, as a video or an endless build does. */
async function movingScreen(viewer: RfbClient, recorder: RecorderProcess, signal: AbortSignal): Promise<Line[]> {
  const session = (text: string): Session =>
    parseSession(JSON.stringify({ name: "go", description: "One line.", guest: "tiny", pace: { pause_ms: 0 }, steps: [{ type: text }] }));
  await playSession(viewer, session("while :; do cat /etc/*; done\n"), { signal });
  await delay(2000, signal);
  let updates = 0;
  const stop = viewer.onUpdate(() => updates++);
  const before = await recorder.figures("now");
  const startMs = performance.now();
  await delay(MOVING_MS, signal);
  const used = (await recorder.figures("now")).processorMs - before.processorMs;
  const tookMs = performance.now() - startMs;
  stop();
  const pictures = Math.round((updates * 1000) / tookMs);
  return [{ what: `the same, whole screen moving, ${pictures} pictures a second`, value: (100 * used) / tookMs, unit: "%" }];
}

function delayLines(when: string, { direct, relayed, bare }: Record<"direct" | "relayed" | "bare", Delays>): Line[] {
  // What a moving screen costs is told, but it is not promised.
  const limit = when === "" ? { limit: { atMost: 2 } } : {};
  return [
    { what: `input to QEMU through the relay, median${when}`, value: relayed.median, unit: "ms" },
    { what: "  later than on a direct connection, 99th percentile", value: relayed.p99 - direct.p99, unit: "ms", ...limit },
    { what: "  the same of a bare pipe in another process", value: bare.p99 - direct.p99, unit: "ms" },
  ];
}

/** The recorder of a running guest, and what its viewers feel of it. */
export const consoleBench: Bench = {
  name: "console",
  about: "input log, recorder's share of a core, delay of input, on a running tiny guest",
  async run(context: BenchContext) {
    const { dir, signal, cleanUp, say } = context;
    const machine = await bootTiny(context);
    const tap = await VncTap.start(machine.vncSocket, join(dir, "tap.sock"));
    cleanUp(() => tap.stop());
    const recorder = await RecorderProcess.start(join(dir, "tap.sock"), join(dir, "console.sock"), join(dir, "log.db"));
    cleanUp(() => recorder.end());
    cleanUp(await startBarePipe(join(dir, "tap.sock"), join(dir, "pipe.sock")));
    const [relayed, direct, bare] = [
      await RfbClient.connect(join(dir, "console.sock")),
      await RfbClient.connect(join(dir, "tap.sock")),
      await RfbClient.connect(join(dir, "pipe.sock")),
    ];
    cleanUp(() => {
      for (const viewer of [relayed, direct, bare]) viewer.close();
      return Promise.resolve();
    });
    say("  a minute of ordinary use");
    const lines = await ordinaryUse(relayed, recorder, signal);
    say("  delay of input");
    lines.push(...delayLines("", await compareDelays(tap, { direct, relayed, bare }, signal)));
    say("  moving screen");
    lines.push(...(await movingScreen(relayed, recorder, signal)));
    lines.push(...delayLines(", whole screen moving", await compareDelays(tap, { direct, relayed, bare }, signal)));
    return lines;
  },
};
