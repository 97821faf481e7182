import type { Store } from "../store/store.ts";
import type { WorkspaceRow } from "../store/workspaces-table.ts";

/**
 * Generations kept for each workspace: its base, the one before (what a rehearsal starts from) and one more. Each costs
 * as much disk as the guest's RAM.
 */
export const GENERATIONS_KEPT = 3;

/** Roots of stored generations, and why each is still of use; in words, for people. */
export type Kept = ReadonlyMap<string, readonly string[]>;

/**
 * The generations that are still of use: the newest of every workspace, those that another host had in common with this
 * one when they last dealt with each other, the last one that was exported, and whatever work under way needs.
 */
export function keptGenerations(store: Store): Kept {
  const kept = new Map<string, string[]>();
  const keep = (root: string, why: string): void => {
    if (store.generations.get(root) === null) return;
    const reasons = kept.get(root) ?? [];
    if (!reasons.includes(why)) reasons.push(why);
    kept.set(root, reasons);
  };
  for (const row of store.workspaces.list()) keepForWorkspace(store, row, keep);
  for (const { base, root, workspace } of store.migrations.unfinished()) {
    keep(base, `a migration of ${workspace} is not over`);
    if (root !== null) keep(root, `a migration of ${workspace} is not over`);
  }
  for (const root of store.generations.held) keep(root, "in use");
  return kept;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Generations of a workspace whose input logs ended more than `days` ago: a log ends when the next generation is made. The
 * log of its base goes on, and never is among them.
 */
export function endedLogs(store: Store, { base }: WorkspaceRow, days: number, nowMs: number): string[] {
  const ended: string[] = [];
  let next = base === null ? null : store.generations.get(base);
  while (next !== null) {
    const { createdAt, parent } = next.manifest;
    if (parent !== null && Date.parse(createdAt) + days * DAY_MS <= nowMs) ended.push(parent);
    next = parent === null ? null : store.generations.get(parent);
  }
  return ended;
}

function keepForWorkspace(store: Store, row: WorkspaceRow, keep: (root: string, why: string) => void): void {
  const { name, base, machine } = row;
  let root = base;
  for (let i = 0; i < GENERATIONS_KEPT && root !== null; i++) {
    keep(root, i === 0 ? `${name} is based on it` : `${name} was based on it before`);
    root = store.generations.get(root)?.manifest.parent ?? null;
  }
  for (const { peer, kind, state, base: from, root: moved } of store.migrations.newestWithEach(name))
    keep(state === "done" && kind === "migration" && moved !== null ? moved : from, `${peer} may start from it`);
  // A host that was made from an export is not known here before it is first heard of.
  const exported = store.generations
    .exported()
    .find((candidate) => store.generations.get(candidate)?.manifest.machine.mac === machine.mac);
  if (exported !== undefined) keep(exported, `${name} was exported as it`);
}
