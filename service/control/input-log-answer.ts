import type { HomewardError } from "../../common/errors.ts";
import { LOG_LINE_CHARACTERS, type ControlParsedParams, type ControlResult } from "../../protocol/control.ts";
import { readableEvents } from "../../protocol/input-log.ts";
import { describeLog } from "../../recorder/describe.ts";
import type { Workspace } from "../workspaces/workspace.ts";

type Wanted = Pick<ControlParsedParams<"log">, "limit" | "showText">;
type LogAnswer = ControlResult<"log">;

/**
 * The newest `limit` lines of a workspace's log since the generation `root`, and how long the log is. What was typed is in them only
 * if that is wanted. Where the log is
 * damaged the lines end with one that says so.
 * @throws DAMAGED if nothing of it can be read
 */
export async function inputLogOf(workspace: Workspace, root: string, wanted: Wanted): Promise<LogAnswer> {
  const { limit, showText } = wanted;
  if (root === workspace.base) await workspace.flushLog();
  const { segments, bytes, events, lastMs } = await workspace.inputLog.summary(root);
  const entries: LogAnswer["entries"][number][] = [];
  const add = (atMs: number, text: string): void => {
    entries.push({ atMs, text: text.slice(0, LOG_LINE_CHARACTERS) });
    if (entries.length > 2 * limit) entries.splice(0, limit);
  };
  if (limit > 0) {
    const damages: HomewardError[] = [];
    const readable = readableEvents(await workspace.inputLog.segments(root), (error) => damages.push(error));
    let endMs = 0;
    // Lines are put together from many events, so the newest are known only once all were read.
    for await (const { atMs, text } of describeLog(readable, { showText })) {
      add(atMs, text);
      endMs = atMs;
    }
    for (const { message } of damages) add(endMs, `${message}; a migration replays up to here and sends the rest`);
  }
  return { root, segments, bytes, events, durationMs: lastMs, entries: entries.slice(-limit) };
}
