import { HomewardError } from "../../common/errors.ts";
import type { Rights } from "../../protocol/control.ts";

/** "push": the peer moves a workspace to this host; "take": a workspace is moved from this host to the peer. */
export type Right = "push" | "take";

/**
 * @param rights of `peer` on `host`, which is this one
 * @throws CONFLICT if the peer may not do this with the workspace
 */
export function requireRight(
  rights: Rights,
  right: Right,
  { host, peer, workspace }: { readonly host: string; readonly peer: string; readonly workspace: string },
): void {
  const hint = `Whoever uses ${host} can change that: "homeward pair" again, with other rights.`;
  if (!rights[right]) {
    const message = right === "push" ? `${peer} may not move workspaces to ${host}` : `${peer} may not take workspaces from ${host}`;
    throw new HomewardError("CONFLICT", message, { hint });
  }
  if (rights.workspaces !== null && !rights.workspaces.includes(workspace))
    throw new HomewardError("CONFLICT", `${workspace} is not one of the workspaces that ${peer} and ${host} share`, { hint });
}
