import { createHash } from "node:crypto";
import type { ControlParsedParams, ControlResult } from "../../protocol/control.ts";
import { encodePng } from "../../vm/rfb/png.ts";
import { type Picture, shrink } from "../../vm/rfb/shrink.ts";
import type { ServiceContext } from "../context.ts";
import type { Workspace } from "../workspaces/workspace.ts";

const NONE = { tag: null, png: null } as const;

/** What is on one of the screens of a workspace, small; nothing of a private moment. See controlMethods.thumbnail. */
export async function thumbnailOf(
  { activity }: ServiceContext,
  workspace: Workspace,
  { of, width, unless }: ControlParsedParams<"thumbnail">,
): Promise<ControlResult<"thumbnail">> {
  const picture = of === "machine" ? await machineScreen(workspace) : (activity.replay(workspace.name)?.[of]() ?? null);
  if (picture === null || picture.width === 0) return NONE;
  const small = shrink(picture, width);
  const tag = createHash("sha256").update(`${small.width}x${small.height} `).update(small.pixels).digest("base64url");
  if (tag === unless) return { tag, png: null };
  const png = await encodePng(small.pixels, small.width, small.height);
  return { tag, png: png.toString("base64") };
}

async function machineScreen({ running, row }: Workspace): Promise<Picture | null> {
  if (running === null || row.recordingPaused || running.isPaused()) return null;
  const frame = await running.screen();
  // A pause that began meanwhile counts.
  return running.isPaused() ? null : frame;
}
