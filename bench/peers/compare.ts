import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { HomewardError } from "../../common/errors.ts";
import { PLAYED_FILE, playedSchema, type Played } from "./homeward.ts";
import type { Row, SessionResult } from "./method.ts";
import { oneFilePeers } from "./one-file.ts";
import type { Peer } from "./peer.ts";
import { repositoryPeers } from "./repositories.ts";
import { rsyncPeers } from "./rsync.ts";
import { layOutStates } from "./states.ts";

/** Everybody who is given the old and the new state, in the order in which they run. */
export const PEERS: readonly Peer[] = [...oneFilePeers, ...repositoryPeers, ...rsyncPeers];

export interface CompareOptions {
  /** Folder that bench/residual/keep-states.ts wrote. */
  readonly states: string;
  /** Private and empty; its path is short enough for sockets. */
  readonly dir: string;
  readonly peers: readonly Peer[];
  /** Rows of an earlier run from the same states, which stay unless they are measured again. */
  readonly kept: readonly Row[];
  /** Called after each peer: what there is so far. */
  readonly onResult: (result: SessionResult) => Promise<void>;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

/** What Homeward took from the same states; of states that were only recorded, nothing. */
async function playedHere(states: string): Promise<Played | null> {
  const text = await readFile(join(states, PLAYED_FILE), "utf8").catch(() => null);
  return text === null ? null : playedSchema.parse(JSON.parse(text));
}

/** The rows of both, those of `found` instead of others of the same method. */
export function mergedRows(before: readonly Row[], found: readonly Row[]): Row[] {
  return [...before.filter(({ method }) => found.every((row) => row.method !== method)), ...found];
}

/** Gives the states to each peer in turn. @throws DAMAGED when one of them did not give the source's state */
export async function compare({ states: from, dir, peers, kept, onResult, say, signal }: CompareOptions): Promise<void> {
  if (!(await readdir(from)).includes("base")) throw new HomewardError("NOT_FOUND", `${from} holds no recorded states`);
  const played = await playedHere(from);
  say("  laying the states out");
  const states = await layOutStates(from, join(dir, "states"));
  let rows = mergedRows(kept, played?.rows ?? []);
  for (const peer of peers) {
    const own = join(dir, "peer");
    await mkdir(own);
    const startMs = performance.now();
    const found = await peer.run({ states, logBytes: played?.log_bytes ?? 0, dir: own, signal });
    await rm(own, { recursive: true, force: true });
    for (const { method, bytes, identical } of found) {
      if (!identical) throw new HomewardError("DAMAGED", `${method} did not give the source's state`);
      say(`  ${method}: ${(bytes / 1e3).toFixed(0)} kB, ${Math.round((performance.now() - startMs) / 1000)} s here`);
    }
    rows = mergedRows(rows, found);
    await onResult({
      type: "peers",
      session: played?.session ?? "recorded",
      description: played?.description ?? "",
      played_s: played?.played_s ?? 0,
      at: new Date().toISOString(),
      rows,
      origins: played?.origins ?? null,
    });
  }
}
