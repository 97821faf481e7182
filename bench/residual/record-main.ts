import { join } from "node:path";
import { parseArgs } from "node:util";
import { EXIT_STATUS, toHomewardError } from "../../common/errors.ts";
import { noProgress } from "../../common/progress.ts";
import type { DemoContext } from "../../demo/context.ts";
import { Host } from "../../demo/host.ts";
import { readSession, useMachine, wakeMachine } from "../../demo/person.ts";
import { prepare } from "../../demo/prepare.ts";
import type { Session } from "../../demo/session/format.ts";
import { WORKSPACE } from "../../demo/workspace-name.ts";
import { benchDemo } from "../demo-context.ts";
import { DUMPS } from "./dump.ts";
import { keepStates } from "./keep-states.ts";
import { say, untilStopped } from "../until-stopped.ts";

/**
 * Plays a session on the desktop guest once, suspends it, replays it in several twins, and keeps what a migration has to do
 * with: the generation, the source's state and each twin's, in out/residual/SESSION. The bench `residual` reads such folders.
 * With --first another session is played before, and sealed, so that the generation is that of a machine in use.
 *   node bench/residual/record-main.ts [--session NAME] [--first NAME] [--replays N]
 */
const stopped = untilStopped();

function sessionPath(name: string): string {
  return join(import.meta.dirname, "..", "..", "demo", "sessions", `${name}.json`);
}

/** Plays one session after the other on a host of its own, seals what comes of each, and ends the host. */
async function playAll(sessions: readonly Session[], demo: DemoContext): Promise<{ stateDir: string; root: string }> {
  const { phases, signal, work, cleanup } = demo;
  const sealed = await prepare("desktop", demo);
  await work.make("laptop");
  let end = (): Promise<void> => Promise.resolve();
  const options = { name: "laptop", work: work.path, shared: [], hidden: [], peers: [] };
  const host = await Host.start(
    options,
    (undo) => {
      end = undo;
      cleanup.add(undo);
    },
    signal,
  );
  await host.call("create", { workspace: WORKSPACE, from: sealed.dir }, { signal });
  let root = "";
  for (const session of sessions) {
    const client = await wakeMachine(host, noProgress, signal);
    await phases.run(`use it: ${session.name}`, 60, (progress) => useMachine(client, session, progress, signal));
    client.close();
    await host.call("suspend", { workspace: WORKSPACE }, { signal });
    ({ root } = await host.call("seal", { workspace: WORKSPACE }, { signal }));
  }
  await host.suspendAndStop();
  await end();
  return { stateDir: host.stateDir, root };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { session: { type: "string", default: "edit" }, first: { type: "string" }, replays: { type: "string", default: "3" } },
  });
  const out = join(DUMPS, values.session);
  const demo = await benchDemo({
    sessionFile: sessionPath(values.session),
    guest: "desktop",
    linkText: "1mbit,50ms",
    say,
    signal: stopped,
  });
  try {
    const first = values.first === undefined ? [] : [await readSession(sessionPath(values.first), "desktop")];
    const played = await playAll([...first, demo.session], demo);
    await keepStates({ ...played, out, replays: Number(values.replays) }, demo, say);
    say(out);
  } finally {
    for (const problem of await demo.cleanup.run()) say(problem.message);
  }
}

try {
  await main();
} catch (thrown) {
  const { code, message } = toHomewardError(thrown);
  say(message);
  process.exitCode = EXIT_STATUS[code];
}
