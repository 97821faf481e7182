/**
 * In which order the steps on which ownership depends are done; the service does them in just this order (`inOrder`), and
 * so does the model in test/unit/migration-model/, which finds out what would go wrong in another. "record" is one
 * transaction of the database, which is on disk when it returns.
 */
export const ORDERS = {
  /** Source: the machine stands still. Its whole state is synced when it is saved. */
  suspend: ["save", "record"],
  /** Source: it gives the workspace up. Nothing may be said that a crash could still undo. */
  release: ["record", "say"],
  /** Source: the destination took it. What was suspended becomes a generation, synced, and names its owner. */
  keep: ["install", "record"],
  /** Source: it gives the migration up. The record first: a destination that asks meanwhile must get an answer. */
  giveUp: ["record", "say", "go-on"],
  /** Destination: the verified copy is synced and recorded together with the state. */
  prepare: ["install", "say"],
  /** Destination: the workspace is its own, in the same transaction as the state. */
  take: ["record", "say"],
} as const;

export type Order = keyof typeof ORDERS;
export type Step<O extends Order> = (typeof ORDERS)[O][number];

/** Does the steps of one order, each after the one before is done. @throws what a step throws; the rest is left out then */
export async function inOrder<O extends Order>(order: O, does: Record<Step<O>, () => unknown>): Promise<void> {
  const steps: readonly Step<O>[] = ORDERS[order];
  for (const step of steps) await does[step]();
}
