import { readFile } from "node:fs/promises";
import { HomewardError } from "../common/errors.ts";
import type { Progress } from "../common/progress.ts";
import type { GuestName } from "../guests/definition.ts";
import type { RfbClient } from "../vm/rfb/rfb-client.ts";
import { openConsole } from "./console.ts";
import type { Host } from "./host.ts";
import { pictureOf, type Picture } from "./pictures.ts";
import { still } from "./ready.ts";
import { parseSession, type Session } from "./session/format.ts";
import { playSession } from "./session/player.ts";
import { WORKSPACE } from "./workspace-name.ts";

/** A person looks at what came of the last thing they did before they close the lid. */
const LOOK_MS = 1000;
const LOOK_LIMIT_MS = 10_000;

/** @throws USAGE if it is not a session, or one for another guest */
export async function readSession(file: string, guest: GuestName): Promise<Session> {
  const session = parseSession(await readFile(file, "utf8"));
  if (session.guest !== guest)
    throw new HomewardError("USAGE", `the session ${session.name} is for the guest "${session.guest}"`, {
      hint: `Add --guest ${session.guest}, or give a session for "${guest}".`,
    });
  return session;
}

/** Plays a session on a running machine and returns the screen at its end. */
export async function useMachine(
  client: RfbClient,
  session: Session,
  progress: Progress,
  signal: AbortSignal,
): Promise<Picture> {
  await playSession(client, session, { signal, progress });
  await still(client, LOOK_MS, LOOK_LIMIT_MS, signal);
  return pictureOf(client);
}

/** Starts the workspace where it was left, and opens its console. Resolves when the screen can be seen. */
export async function wakeMachine(host: Host, progress: Progress, signal: AbortSignal): Promise<RfbClient> {
  await host.call("start", { workspace: WORKSPACE }, { signal, progress });
  return openConsole(host, signal);
}
