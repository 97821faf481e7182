import type { DemoReport } from "./report.ts";

/** Share of the overlay's bytes that replay may cost, by session: one that makes data, and two that are light. */
const MAX_SHARE: Readonly<Record<string, number>> = { shell: 0.25, office: 0.7, developer: 0.7 };
/** Never more than without replay, whatever the session. */
const MAX_SHARE_OTHERWISE = 1;
const MAX_COUNT_ERROR = 0.01;

/** Longest that a replay may take, in seconds. */
function replayLimit({ recorded_s: recorded, think_s: think }: DemoReport): number {
  return 1.3 * (recorded - think) + 10;
}

/** What a report of the demo shows that was promised otherwise, in words; empty when everything is as it should be. */
export function shortcomings(session: string, report: DemoReport): string[] {
  const { bytes, compare, checkpoints, phases } = report;
  const { total, ...kinds } = bytes;
  const sum = Object.values(kinds).reduce((all, kind) => all + kind, 0);
  const share = total / compare.overlay_bytes;
  const maxShare = MAX_SHARE[session] ?? MAX_SHARE_OTHERWISE;
  const rules: readonly (readonly [kept: boolean, otherwise: string])[] = [
    [report.verified, "the two hosts' files are not identical"],
    [report.root_source === report.root_destination, "the roots differ"],
    [report.owner === "home", `the owner is ${report.owner}`],
    [Math.abs(sum - total) <= MAX_COUNT_ERROR * total, `kinds of bytes sum to ${sum}, the link counted ${total}`],
    [share <= maxShare, `replay cost ${Math.round(100 * share)} % of the overlay, at most ${100 * maxShare} % promised`],
    [report.events > 0, "nothing was recorded"],
    [checkpoints.total > 0 && checkpoints.matched + checkpoints.missed === checkpoints.total, "checkpoints are missing"],
    [
      phases.replay_s <= replayLimit(report),
      `replay took ${Math.round(phases.replay_s)} s, at most ${Math.round(replayLimit(report))} s promised`,
    ],
    [report.back.verified, "the way back is not verified"],
  ];
  return rules.filter(([kept]) => !kept).map(([, otherwise]) => otherwise);
}
