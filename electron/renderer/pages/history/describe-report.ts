import { formatBytes, formatCount, formatSeconds } from "../../../../common/quantities.ts";
import type { MigrationSummary } from "../../../../protocol/control.ts";
import type { MigrationReport, ModeChoice, ReplayOutcome } from "../../../../protocol/report.ts";
import type { Bar } from "../../components/bar.ts";
import { texts } from "../../texts/texts.ts";

const BLOCK_BYTES = 4096;

/** Which of the three a move has come to; protocols have more states on the way. */
export type Outcome = "arrived" | "failed" | "under way";

export function outcomeOf({ state }: MigrationSummary): Outcome {
  if (state === "done") return "arrived";
  return state === "cancelled" || state === "dropped" ? "failed" : "under way";
}

export function outcomeText(move: MigrationSummary): string {
  return texts.history.outcome[move.state] ?? texts.history.underWay;
}

/** Why it ended, in words; null where the outcome says it already. */
export function reasonOf({ state, error }: Pick<MigrationSummary, "state" | "error">): string | null {
  return state === "cancelled" && error === "stopped" ? null : error;
}

/** What changed since the generation, which copying would have had to send, in bytes. */
export function changedBytes({ blocks }: MigrationReport): number {
  return (blocks.ram_dirty + blocks.disk_dirty) * BLOCK_BYTES;
}

/** What was saved against sending everything that changed. */
export function savedText(report: MigrationReport): string {
  const words = texts.history;
  const copy = changedBytes(report);
  const sent = report.bytes.total;
  if (sent === 0 || copy <= sent) return words.notSavedText(formatBytes(sent), formatBytes(copy));
  const factor = copy / sent;
  return words.savedText(formatBytes(sent), formatBytes(copy), `${factor < 10 ? factor.toFixed(1) : formatCount(factor)} times`);
}

export function byteBars({ bytes }: MigrationReport): Bar[] {
  const names = texts.history.bytes;
  return (Object.keys(names) as (keyof typeof names)[]).map((kind) => ({ name: names[kind], value: bytes[kind], colour: kind === "residual" ? 3 : 1 }));
}

export function originBars({ blocks }: MigrationReport): Bar[] {
  const names = texts.history.origins;
  const colours = { generation: 1, twin: 2, zero: 4, shipped: 3 } as const;
  return (Object.keys(names) as (keyof typeof names)[]).map((kind) => ({
    name: names[kind],
    value: blocks[kind] * BLOCK_BYTES,
    colour: colours[kind],
  }));
}

export function phaseBars({ phases }: MigrationReport): Bar[] {
  const names = texts.history.phases;
  return (Object.keys(names) as (keyof typeof names)[]).map((phase) => ({ name: names[phase], value: phases[phase] }));
}

/** Why it went the way it went, where that was left to the service. */
export function choiceSentences({ why, metered, stopped }: ModeChoice): string[] {
  const words = texts.history;
  return [why, ...(metered ? [words.choiceMetered] : []), ...(stopped === null ? [] : [words.choiceStopped(stopped)])];
}

/** What was expected of either way, and what came out. */
export function choiceFacts({ replay, overlay }: ModeChoice, { bytes, phases }: MigrationReport): { name: string; values: string[] }[] {
  const words = texts.history;
  const fact = (name: string, cost: ModeChoice["overlay"]): { name: string; values: string[] } => ({
    name,
    values: [words.cost(formatBytes(cost.bytes), formatSeconds(cost.seconds))],
  });
  return [
    ...(replay === null ? [] : [fact(words.expected.replay, replay)]),
    fact(words.expected.overlay, overlay),
    fact(words.cameOut, { bytes: bytes.total, seconds: phases.click_to_usable_s }),
  ];
}

/** How the replay went, in sentences. */
export function replaySentences({ replay, checkpoints, events, recorded_s, think_s, phases }: MigrationReport): string[] {
  const words = texts.history;
  if (replay === null) return [words.replayNone];
  const { matched, missed, total } = checkpoints;
  return [
    words.replayText(formatCount(events), formatSeconds(recorded_s), formatSeconds(think_s), formatSeconds(phases.replay_s)),
    words.checkpointsText(matched, total, missed),
    ...(replay.speed > 0.95 ? [] : [words.replaySpeed(Math.round(100 * replay.speed))]),
    ...(replay.gave_up === null ? [] : [words.gaveUp(replay.gave_up)]),
    ...(replay.masked_cells === 0 ? [] : [words.masked(formatCount(replay.masked_cells))]),
  ];
}

type Stretch = ReplayOutcome["path"][number];

/** The service's own sentence without the steps it begins with, which the table has in a column of their own. */
export function stretchText({ text }: Stretch): string {
  return text.replace(/^(?:back on the path: )?(?:steps? \d+(?: to \d+)?: )?/, "");
}

/** How many steps kept to the recording, and how many did not. */
export function stepsOnPath(path: readonly Stretch[]): { readonly same: number; readonly left: number } {
  let [same, left] = [0, 0];
  for (const { kind, from_step, to_step } of path) {
    const steps = to_step - from_step + 1;
    if (kind === "left") left += steps;
    else same += steps;
  }
  return { same, left };
}
