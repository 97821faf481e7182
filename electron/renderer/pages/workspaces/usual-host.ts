import type { ServiceStatus, WorkspaceStatus } from "../../../../protocol/control.ts";

/**
 * Hosts that a workspace can be moved to, the most likely first: the other end of its last move, then those that hold an
 * earlier state of it, then the rest by name.
 */
export function destinations(workspace: WorkspaceStatus, { host, peers }: ServiceStatus): string[] {
  const { lastMove, generation } = workspace;
  const usual = lastMove === null ? null : lastMove.to === host ? lastMove.from : lastMove.to;
  const rank = (name: string): number => (name === usual ? 0 : generation?.holders.includes(name) === true ? 1 : 2);
  return peers.map(({ name }) => name).sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** Hosts that a workspace's generation can be laid down on, by name; one that has none must run, so that one can be made. */
export function lackingHosts({ owner, base, state, migration, generation }: WorkspaceStatus, { peers }: ServiceStatus): string[] {
  if (owner !== "here" || migration !== null || (base === null && state !== "running")) return [];
  return peers.map(({ name }) => name).filter((name) => generation?.holders.includes(name) !== true).sort();
}
