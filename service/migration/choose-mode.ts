import { formatBytes, formatSeconds } from "../../common/quantities.ts";
import type { MigrationMode, ModeChoice } from "../../protocol/report.ts";
import type { Learned } from "./learn.ts";

/**
 * Whether a replay pays, from what the source knows once its machine stands still. Bytes and seconds of both ways are
 *
 *   overlay: index + contents + rest
 *   replay:  log + index with hashes + a bit a content + contents that are left + rest
 *
 *   overlay: so far + index / rate + send(contents) + after
 *   replay:  so far + (log / rate + active x pace + settle, or the index if that takes longer) + send(left) + after
 *
 * where `contents` are the blocks that the generation has nowhere, packed, as a sample of them says; send() is the longer of
 * bytes / rate and packing; `active` is the recording without think time. What is left, and the pace, earlier moves say
 * (learn.ts). On a metered link the fewer bytes win, else the shorter time; of two that are within a tenth, the fewer bytes.
 */

/** Below this a replay could save less than is worth waiting for, and what is told about it is no longer a hundredth. */
export const LITTLE_BYTES = 400_000;
/** As fast as a link is taken to be that was not measured in this move: one on which bytes matter. */
export const UNMEASURED_BITS = 1e6;
/** Before anything was learned: a replay leaves half of what a guest keeps for itself, … (README, docs/limits.md) */
const OWN_BYTES = 2_600_000;
const OWN_LEFT = 0.5;
/** … and of what is more than that, which the user made, little. */
const MADE_LEFT = 0.05;
/** What came over the network no replay makes again. */
const NETWORK_SAVES = 0.5;
/** The twin's disk, and finding out where it differs. */
export const SETTLE_S = 4;
/** The account of a replay in the messages at the end. */
const ACCOUNT_BYTES = 1500;
/** Times that differ by less are the same. */
const SAME_TIME = 0.1;
const MBIT = 1e6;

/** What is known when the machine stands still. Seconds and bytes. */
export interface MoveFacts {
  readonly metered: boolean;
  /** Of the recording up to a pause of it, without think time; null when nothing was recorded that could be replayed. */
  readonly activeS: number | null;
  /** Share of the whole recording that this is a part of, 0 to 1. */
  readonly replayable: number;
  readonly usedNetwork: boolean;
  readonly logBytes: number;
  readonly indexBytes: { readonly replay: number; readonly overlay: number };
  /** Distinct ones that the generation does not have. */
  readonly contents: number;
  /** All of them, packed, and how long that takes at the hardest level. */
  readonly contentBytes: number;
  readonly packS: number;
  /** Since the user asked for the move. */
  readonly elapsedS: number;
  /** Of the link. */
  readonly bitsPerSecond: number;
}

export interface Prediction {
  /** Null when nothing can be replayed. */
  readonly replay: ModeChoice["replay"];
  readonly overlay: ModeChoice["overlay"];
}

/** Packed contents that a replay to the end leaves to be sent. */
function leftBytes(facts: MoveFacts, { leftPerContent }: Learned): number {
  const { contentBytes, contents, replayable, usedNetwork } = facts;
  const unlearned = OWN_LEFT * Math.min(contentBytes, OWN_BYTES) + MADE_LEFT * Math.max(0, contentBytes - OWN_BYTES);
  const saved =
    leftPerContent === null
      ? (contentBytes - unlearned) * (usedNetwork ? NETWORK_SAVES : 1)
      : Math.max(0, contentBytes - contents * leftPerContent);
  return contentBytes - saved * replayable;
}

/** Seconds to pack and send so much of the contents. */
function sendS({ bitsPerSecond, contentBytes, packS }: MoveFacts, bytes: number): number {
  // Level 9 and 3 are taken on faster links (link-rate.ts), and take about so much less time.
  const work = bitsPerSecond >= 100 * MBIT ? 0.05 : bitsPerSecond >= 20 * MBIT ? 0.2 : 1;
  return Math.max((bytes * 8) / bitsPerSecond, contentBytes === 0 ? 0 : (work * packS * bytes) / contentBytes);
}

/** What either way would take. */
export function predict(facts: MoveFacts, learned: Learned): Prediction {
  const { activeS, logBytes, indexBytes, contents, contentBytes, elapsedS, bitsPerSecond } = facts;
  const { restBytes, afterS, pace } = learned;
  const left = leftBytes(facts, learned);
  const overlay = {
    bytes: indexBytes.overlay + contentBytes + restBytes,
    seconds: elapsedS + ((indexBytes.overlay + restBytes) * 8) / bitsPerSecond + sendS(facts, contentBytes) + afterS,
  };
  if (activeS === null) return { replay: null, overlay: rounded(overlay) };
  const replayS = (logBytes * 8) / bitsPerSecond + activeS * pace + SETTLE_S;
  const indexS = ((logBytes + indexBytes.replay + restBytes) * 8) / bitsPerSecond;
  const replay = {
    bytes: logBytes + indexBytes.replay + contents / 8 + left + restBytes + ACCOUNT_BYTES,
    seconds: elapsedS + Math.max(replayS, indexS) + sendS(facts, left) + afterS,
  };
  return { replay: rounded(replay), overlay: rounded(overlay) };
}

function rounded({ bytes, seconds }: ModeChoice["overlay"]): ModeChoice["overlay"] {
  return { bytes: Math.round(bytes), seconds: Math.round(seconds * 10) / 10 };
}

/** The mode that is expected to pay. */
export function chooseMode(facts: MoveFacts, { replay, overlay }: Prediction): MigrationMode {
  if (replay === null || facts.contentBytes < LITTLE_BYTES) return "overlay";
  const isSmaller = replay.bytes < overlay.bytes;
  if (facts.metered || Math.abs(replay.seconds - overlay.seconds) <= SAME_TIME * overlay.seconds)
    return isSmaller ? "replay" : "overlay";
  return replay.seconds < overlay.seconds ? "replay" : "overlay";
}

/** Why, in one sentence. */
export function whyMode(mode: MigrationMode, facts: MoveFacts, { replay, overlay }: Prediction): string {
  const about = ({ bytes, seconds }: ModeChoice["overlay"]): string => `${formatBytes(roughly(bytes))} and ${formatSeconds(Math.round(seconds))}`;
  if (replay === null) return `overlay, about ${about(overlay)}: nothing was recorded that could be replayed`;
  if (mode === "replay") return `replay: about ${about(replay)} instead of ${about(overlay)} by overlay`;
  if (facts.contentBytes < LITTLE_BYTES) return `overlay, about ${about(overlay)}: there is little to save${longer(replay, overlay)}`;
  if (replay.bytes >= overlay.bytes) return `overlay, about ${about(overlay)}: a replay would send no less`;
  return `overlay: about ${about(overlay)} instead of ${about(replay)} by replay`;
}

function longer(replay: ModeChoice["overlay"], overlay: ModeChoice["overlay"]): string {
  const seconds = Math.round(replay.seconds - overlay.seconds);
  return seconds > 0 ? `, a replay would take ${formatSeconds(seconds)} longer` : "";
}

/** Two digits. */
function roughly(value: number): number {
  return Math.round(Number(value.toPrecision(2)));
}

/**
 * Whether the rest of a replay is still worth waiting for: whether it and what it leaves to be sent are over sooner than what
 * would have to be sent if it were ended now. What was replayed until now is of use either way, in proportion.
 * @param done share of the replay that is over, 0 to 1
 * @param restS seconds that the other part will take
 */
export function isWorthWaiting(facts: MoveFacts, learned: Learned, { done, restS }: { readonly done: number; readonly restS: number }): boolean {
  if (facts.metered) return true;
  const left = leftBytes(facts, learned);
  const leftNow = facts.contentBytes - (facts.contentBytes - left) * done;
  // The twin's blocks have to be looked through in either case.
  const now = SETTLE_S + sendS(facts, leftNow);
  return restS + SETTLE_S + sendS(facts, left) <= now * (1 + SAME_TIME);
}
