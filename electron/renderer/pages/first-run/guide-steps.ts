import type { ServiceStatus } from "../../../../protocol/control.ts";

export interface GuideSteps {
  readonly make: boolean;
  readonly pair: boolean;
  readonly lay: boolean;
  readonly move: boolean;
}

/** What of the way to the first move is done. */
export function guideSteps({ workspaces, peers }: ServiceStatus): GuideSteps {
  return {
    make: workspaces.length > 0,
    pair: peers.length > 0,
    lay: workspaces.some(({ generation, owner }) => owner !== "here" || (generation?.holders.length ?? 0) > 0),
    move: workspaces.some(({ lastMove }) => lastMove !== null),
  };
}

/** The guide is for who has never moved anything; with hosts and no workspaces one needs only a workspace. */
export function needsGuide(service: ServiceStatus): boolean {
  const { make, pair, lay, move } = guideSteps(service);
  return !move && !(pair && !make) && !(make && pair && lay);
}
