import { formatBytes, formatCapacity, formatCount, formatSeconds } from "../../../../common/quantities.ts";
import type { WorkspaceStatus } from "../../../../protocol/control.ts";
import { listed, texts } from "../../texts/texts.ts";

/** What a card says of a workspace, in words. `host` is the one whose service this is. */
export function placeText({ owner }: WorkspaceStatus, host: string): string {
  return owner === "here" ? texts.workspaces.livesHere(host) : texts.workspaces.livesOn(owner);
}

export function stateText({ state, doing, stalled }: WorkspaceStatus): string {
  if (state === "running" && stalled !== null) return texts.workspaces.stalled[stalled];
  return state === "busy" && doing !== null ? texts.workspaces.doing(doing) : texts.workspaces.state[state];
}

/** What a busy one is busy with. */
export function busyText({ doing }: WorkspaceStatus): string {
  const words = texts.workspaces;
  return doing === null ? words.state.busy : (words.busyWith[doing] ?? words.doing(doing));
}

export type Light = "recording" | "paused" | "none";

/** Null where there is nothing to record: the machine does not run here. */
export function lightOf({ owner, state, log, recordingPaused }: WorkspaceStatus): Light | null {
  if (owner !== "here" || (state !== "running" && state !== "busy")) return null;
  if (recordingPaused) return "paused";
  return log?.recording === true ? "recording" : "none";
}

/** What moving it builds on and what it cost the last time. */
export function movingText(workspace: WorkspaceStatus, host: string): readonly string[] {
  const words = texts.workspaces;
  const { generation, lastMove, log, owner } = workspace;
  if (owner !== "here") return [words.bringHere(owner, host)];
  if (generation === null) return [words.noGeneration];
  const { holders } = generation;
  const since = log === null || log.events === 0 ? null : words.sinceThen(formatSeconds(log.durationMs / 1000), formatCount(log.events));
  return [
    holders.length === 0 ? words.heldByNobody : words.heldBy(listed(holders)),
    ...(since === null ? [] : [since]),
    ...(lastMove === null ? [] : [words.lastMove(lastMove.to, formatBytes(lastMove.bytes), formatSeconds(lastMove.seconds))]),
  ];
}

export function factsText({ memoryBytes, diskBytes }: WorkspaceStatus): string {
  return texts.workspaces.facts(formatCapacity(memoryBytes), formatCapacity(diskBytes));
}

/** What stands where the screen would be. */
export function noScreenText({ owner, state, recordingPaused }: WorkspaceStatus): string {
  const words = texts.workspaces.noScreen;
  if (owner !== "here") return words.away;
  if (state === "off" || state === "suspended") return words[state];
  return recordingPaused ? words.private : words.none;
}
