import { createHash } from "node:crypto";
import type { ControlParsedParams, ControlResult } from "../../protocol/control.ts";
import { encodePng } from "../../vm/rfb/png.ts";
import { shrink } from "../../vm/rfb/shrink.ts";
import type { Workspace } from "../workspaces/workspace.ts";

const NONE = { tag: null, png: null } as const;

/** What is on the screen of a running workspace, small; nothing of a private moment. See controlMethods.thumbnail. */
export async function thumbnailOf(
  { running, row }: Workspace,
  { width, unless }: ControlParsedParams<"thumbnail">,
): Promise<ControlResult<"thumbnail">> {
  if (running === null || row.recordingPaused || running.isPaused()) return NONE;
  const frame = await running.screen();
  // A pause that began meanwhile counts.
  if (frame === null || frame.width === 0 || running.isPaused()) return NONE;
  const small = shrink(frame, width);
  const tag = createHash("sha256").update(`${small.width}x${small.height} `).update(small.pixels).digest("base64url");
  if (tag === unless) return { tag, png: null };
  const png = await encodePng(small.pixels, small.width, small.height);
  return { tag, png: png.toString("base64") };
}
