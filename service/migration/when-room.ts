import { delay } from "../../common/abort.ts";
import { toHomewardError } from "../../common/errors.ts";
import type { ServiceContext } from "../context.ts";

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;

/**
 * Does what ends a migration on this host: a record has to be written for it, for which a full disk has no room. Without it
 * a paused machine would stand still, and the workspace could not move again, until the service is started anew.
 * @param work may be begun several times
 * @throws what `work` throws the first time. If that is NO_ROOM it is tried again, in the background, until there is room
 */
export async function whenRoom(
  ctx: Pick<ServiceContext, "log" | "stopping">,
  migration: string,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (toHomewardError(error).code === "NO_ROOM") void retry(ctx, migration, work);
    throw error;
  }
}

async function retry(
  { log, stopping }: Pick<ServiceContext, "log" | "stopping">,
  migration: string,
  work: () => Promise<void>,
): Promise<void> {
  log.error({ migration }, "no room to record the end of a migration; trying again");
  for (let wait = FIRST_RETRY_MS; ; wait = Math.min(2 * wait, LAST_RETRY_MS)) {
    try {
      await delay(wait, stopping);
      await work();
      log.info({ migration }, "the end of a migration is recorded");
      return;
    } catch (error) {
      if (stopping.aborted) return;
      if (toHomewardError(error).code === "NO_ROOM") continue;
      log.error({ err: error, migration }, "ending a migration");
      return;
    }
  }
}
