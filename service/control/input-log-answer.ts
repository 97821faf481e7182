import { LOG_LINE_CHARACTERS, type ControlResult } from "../../protocol/control.ts";
import { decodeSegment, type InputEvent } from "../../protocol/input-log.ts";
import { describeLog } from "../../recorder/describe.ts";
import type { Workspace } from "../workspaces/workspace.ts";

type LogAnswer = ControlResult<"log">;

async function* eventsOf(segments: readonly { readonly data: Buffer }[]): AsyncGenerator<InputEvent, void, undefined> {
  for (const { data } of segments) yield* await decodeSegment(data);
}

/** The newest `limit` lines of a workspace's log since the generation `root`, and how long the log is. */
export async function inputLogOf(workspace: Workspace, root: string, limit: number): Promise<LogAnswer> {
  if (root === workspace.base) await workspace.flushLog();
  const { segments, bytes, events, lastMs } = await workspace.inputLog.summary(root);
  const entries: LogAnswer["entries"][number][] = [];
  if (limit > 0)
    // Lines are put together from many events, so the newest are known only once all were read.
    for await (const { atMs, text } of describeLog(eventsOf(await workspace.inputLog.segments(root)))) {
      entries.push({ atMs, text: text.slice(0, LOG_LINE_CHARACTERS) });
      if (entries.length > 2 * limit) entries.splice(0, limit);
    }
  return { root, segments, bytes, events, durationMs: lastMs, entries: entries.slice(-limit) };
}
