import type { ControlResult } from "../../protocol/control.ts";
import { decodeSegment, type InputEvent } from "../../protocol/input-log.ts";
import { nameOfKeysym } from "../../vm/rfb/keymap.ts";
import type { Workspace } from "../workspaces/workspace.ts";

type LogAnswer = ControlResult<"log">;
type LogEntry = LogAnswer["entries"][number];

/** A keysym as text: characters as they are (X11: Latin-1 keysyms are the characters), others by name or number. */
function keyName(keysym: number): string {
  if (keysym > 0x20 && keysym < 0x7f) return String.fromCodePoint(keysym);
  return nameOfKeysym(keysym) ?? `keysym 0x${keysym.toString(16)}`;
}

function textOf(event: InputEvent): string {
  switch (event.kind) {
    case "key":
      return `${event.down ? "press" : "release"} ${keyName(event.keysym)}`;
    case "pointer":
      return `pointer at ${event.x},${event.y}${event.buttons === 0 ? "" : `, buttons ${event.buttons}`}`;
    case "checkpoint":
      return `screen ${event.checkpoint.width}x${event.checkpoint.height}, ${event.checkpoint.cells.size} cells changed`;
    case "power":
      return event.action;
    case "network":
      return `${event.connections} network connections open`;
    case "mark":
      return event.mark;
  }
}

function toEntry(event: InputEvent): LogEntry {
  return { atMs: event.atMs, kind: event.kind, text: textOf(event) };
}

/** The newest `limit` events of a workspace's log since the generation `root`, and how long the log is. */
export async function inputLogOf(workspace: Workspace, root: string, limit: number): Promise<LogAnswer> {
  if (root === workspace.base) await workspace.flushLog();
  const summary = await workspace.inputLog.summary(root);
  const { segments, bytes, events, lastMs } = summary;
  const newest: LogEntry[][] = [];
  let missing = limit;
  if (limit > 0)
    for (const segment of (await workspace.inputLog.segments(root)).reverse()) {
      const decoded = await decodeSegment(segment.data);
      newest.unshift(decoded.slice(-missing).map(toEntry));
      missing -= Math.min(missing, decoded.length);
      if (missing === 0) break;
    }
  return { root, segments, bytes, events, durationMs: lastMs, entries: newest.flat() };
}
