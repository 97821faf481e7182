import { formatBytes, formatSeconds } from "../../../../common/quantities.ts";
import type { ControlResult } from "../../../../protocol/control.ts";
import { texts } from "../../texts/texts.ts";

/** An estimate in words, no more exact than it is. */
export function estimateText(answer: ControlResult<"estimate"> | null, peer: string): string {
  const words = texts.move;
  if (answer === null) return words.estimating;
  if (answer.estimate === null) return words.estimateUnknown;
  const { bytes, seconds } = answer.estimate;
  return words.estimate(peer, formatSeconds(roughly(seconds)), formatBytes(roughly(bytes)));
}

/** Two digits of a number; whole from 1 on. */
function roughly(value: number): number {
  const rounded = Number(value.toPrecision(2));
  return rounded < 1 ? rounded : Math.round(rounded);
}
