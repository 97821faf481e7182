import { HomewardError } from "../common/errors.ts";
import type { RfbClient } from "../vm/rfb/rfb-client.ts";
import type { DemoContext } from "./context.ts";
import type { Host } from "./host.ts";
import { wakeMachine } from "./person.ts";
import { pictureOf, type Picture } from "./pictures.ts";
import { checkByteCounts, type Move } from "./report.ts";
import type { TwoHosts } from "./two-hosts.ts";
import { verifySame } from "./verify.ts";
import type { VerifyResult } from "./verify/result.ts";
import { WORKSPACE } from "./workspace-name.ts";

/** On two slow cores, with the desktop guest. */
const USUAL_SECONDS = { compare: 5, resume: 1 };

/** How long a migration usually takes after a session of so many seconds: its pauses are not replayed. */
function usualMigration(sessionSeconds: number): number {
  return 0.5 * sessionSeconds + 8;
}

/** A migration, proved and resumed. */
export interface Arrival {
  readonly move: Move;
  readonly verification: VerifyResult;
  /** The console of the machine at its destination. */
  readonly client: RfbClient;
  readonly picture: Picture;
}

/** Each host must say that the same one may run the workspace. */
async function checkOwner(owner: Host, other: Host): Promise<void> {
  for (const [host, expected] of [
    [owner, "here"],
    [other, owner.name],
  ] as const) {
    const { workspaces } = await host.call("status", {});
    const said = workspaces.find(({ name }) => name === WORKSPACE)?.owner;
    if (said !== expected)
      throw new HomewardError("INTERNAL", `${host.name} says that ${String(said)} owns the workspace, not ${expected}`);
  }
}

/**
 * Moves the workspace, has a separate program compare both hosts' files while nobody runs it, then starts it there.
 * @param sessionSeconds about how long the machine was used since the last migration
 */
export async function move(
  from: Host,
  to: Host,
  sessionSeconds: number,
  { link }: TwoHosts,
  context: DemoContext,
): Promise<Arrival> {
  const { phases, signal } = context;
  const before = await link.settledBytes();
  const report = await phases.run(`migrate to ${to.name}`, usualMigration(sessionSeconds), (progress) =>
    from.call("migrate", { workspace: WORKSPACE, peer: to.name, hold: true }, { signal, progress }),
  );
  const linkBytes = (await link.settledBytes()) - before;
  await checkOwner(to, from);
  const verification = await phases.run("compare all files", USUAL_SECONDS.compare, (progress) =>
    verifySame(report.root_destination, [from, to], progress, signal),
  );
  if (!verification.identical)
    throw new HomewardError("DAMAGED", `${to.name} does not hold what ${from.name} suspended`, { data: verification });
  const startMs = performance.now();
  const client = await phases.run(`resume at ${to.name}`, USUAL_SECONDS.resume, (progress) =>
    wakeMachine(to, progress, signal),
  );
  const resumeS = (performance.now() - startMs) / 1000;
  const arrival = { report, linkBytes, verified: verification.identical, resumeS };
  checkByteCounts(arrival);
  return { move: arrival, verification, client, picture: pictureOf(client) };
}
