import { effect } from "@preact/signals";
import { call, status } from "../../control/service.ts";

/**
 * Begins a move, which goes on when this page is closed or loaded anew. Resolves when it is under way: its own page then says
 * what becomes of it. @throws what kept it from beginning
 */
export async function beginMove(workspace: string, peer: string): Promise<void> {
  const underWay = Promise.withResolvers<undefined>();
  const move = call("migrate", { workspace, peer, detached: true });
  // What it fails with later is in its record.
  move.catch(() => undefined);
  const stop = effect(() => {
    if (status.value?.workspaces.some(({ name, migration }) => name === workspace && migration !== null) === true) underWay.resolve(undefined);
  });
  try {
    await Promise.race([move, underWay.promise]);
  } finally {
    stop();
  }
}
