import { effect } from "@preact/signals";
import type { ControlParams } from "../../../../protocol/control.ts";
import { call, status } from "../../control/service.ts";

/** What the user asks of a move. */
export const WAYS = {
  time: { mode: "auto" },
  bytes: { mode: "auto", metered: true },
  replay: { mode: "replay" },
  overlay: { mode: "overlay" },
} as const satisfies Record<string, Pick<ControlParams<"migrate">, "mode" | "metered">>;
export type Way = keyof typeof WAYS;

export function isWay(name: string): name is Way {
  return Object.hasOwn(WAYS, name);
}

/**
 * Begins a move, which goes on when this page is closed or loaded anew. Resolves when it is under way: its own page then says
 * what becomes of it. @throws what kept it from beginning
 */
export async function beginMove(workspace: string, peer: string, way: Way): Promise<void> {
  const underWay = Promise.withResolvers<undefined>();
  const move = call("migrate", { workspace, peer, ...WAYS[way], detached: true });
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
