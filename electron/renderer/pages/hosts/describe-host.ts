import { formatBytes } from "../../../../common/quantities.ts";
import type { Holding, Hosts, MigrationSummary, Rights, WorkspaceStatus } from "../../../../protocol/control.ts";
import type { MigrationReport } from "../../../../protocol/report.ts";
import { ago, listed, texts } from "../../texts/texts.ts";

/** What a host may do, a line each. */
export function rightsText({ push, take, workspaces }: Rights, host: string): readonly string[] {
  const words = texts.hosts;
  if (!push && !take) return [words.mayNeither];
  const which = workspaces === null ? [] : [words.only(workspaces.length === 0 ? words.noneOfThem : listed(workspaces))];
  return [...(push ? [words.mayPush(host)] : []), ...(take ? [words.mayTake(host)] : []), ...which];
}

/** What the host holds of this host's workspaces, as far as is known here. */
export function holdingsText(host: string, workspaces: readonly WorkspaceStatus[], holdings: readonly Holding[]): readonly string[] {
  const words = texts.hosts;
  const held = [
    ...workspaces.filter(({ owner }) => owner === host).map(({ name }) => words.holdsNow(name)),
    ...holdings
      .filter((holding) => holding.host === host)
      .map(({ workspace, createdAt, bytes }) => words.holdsEarlier(workspace, ago(createdAt), formatBytes(bytes))),
  ];
  return held.length === 0 ? [words.holdsNothing] : held;
}

/** What a host has free, as it answered when the page was opened. `asked`: null while it is being asked. */
export function roomText(host: string, asked: Pick<Hosts, "rooms" | "silent"> | null): string {
  const words = texts.hosts;
  if (asked === null) return words.roomAsking;
  const room = asked.rooms.find((each) => each.host === host);
  return room === undefined ? words.roomUnknown : words.roomFree(formatBytes(room.diskBytes), formatBytes(room.memoryBytes));
}

/** Less says nothing of a link: it is over before the connection has got going. */
const MEASURABLE_BYTES = 200_000;

/** The newest move to or from the host that has a report. */
export function newestMoveWith(host: string, moves: readonly MigrationSummary[]): MigrationSummary | null {
  return moves.find(({ peer, bytes, state }) => peer === host && state === "done" && bytes !== null && bytes >= MEASURABLE_BYTES) ?? null;
}

/** How fast the rest went over the link, in words. Null if too little was sent to tell. */
export function linkText({ bytes, phases, finished_at }: MigrationReport): string | null {
  if (bytes.residual < MEASURABLE_BYTES || phases.residual_s === 0) return null;
  return texts.hosts.linkSpeed(formatBytes(bytes.residual / phases.residual_s), ago(finished_at));
}
