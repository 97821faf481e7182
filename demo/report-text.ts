import { formatBytes, formatCount, formatSeconds, formatShare } from "../common/quantities.ts";
import { formatTable } from "../common/table.ts";
import type { DemoReport } from "./report.ts";

const PHASES: readonly (readonly [keyof DemoReport["phases"], string])[] = [
  ["suspend_s", "suspend on the laptop"],
  ["log_s", "send the input log"],
  ["replay_s", "replay at home"],
  ["index_s", "index of what changed"],
  ["residual_s", "send what replay did not make"],
  ["verify_s", "build and verify at home"],
  ["resume_s", "resume at home"],
];

const BYTES: readonly (readonly [keyof DemoReport["bytes"], string])[] = [
  ["log", "input log"],
  ["index", "index"],
  ["need", "what home lacks"],
  ["residual", "residual"],
  ["device", "device state"],
  ["control", "control"],
];

/** What surrounds the report in the table. */
export interface ReportSurroundings {
  /** The demo's own phases and their seconds. */
  readonly took: readonly (readonly [title: string, seconds: number])[];
  readonly link: string;
  /** Share of pixels, 0 to 1, that differ between the screen before and after. */
  readonly pictureDifference: number;
  readonly pictures: readonly string[];
  readonly notes: readonly string[];
}

/** Seconds that a number of bytes take over a link, without its round trips. */
function overLink(bytes: number, bitsPerSecond: number | null): string {
  return bitsPerSecond === null ? "" : formatSeconds((bytes * 8) / bitsPerSecond);
}

type Align = "left" | "right";
const NUMBERS: readonly Align[] = ["left", "right", "right", "right"];

/** A heading and a table under it. */
function section(heading: string, rows: readonly (readonly string[])[]): string[] {
  return ["", heading, formatTable(rows, NUMBERS, "  ")];
}

function proof(report: DemoReport, { link, pictureDifference }: ReportSurroundings): string[] {
  const { checkpoints } = report;
  const same =
    pictureDifference === 0 ? "the very same picture" : `${formatShare(pictureDifference, 1)} of the pixels differ`;
  return [
    `The machine moved from laptop to home over a link of ${link}, and back.`,
    report.verified
      ? "Verified: memory, device state and every disk block of both hosts were byte for byte the same."
      : "NOT VERIFIED: the hosts' files differ.",
    `Screen before and after: ${same}.`,
    "",
    `Recorded ${formatSeconds(report.recorded_s)} (${formatSeconds(report.think_s)} of it pauses), ` +
      `${formatCount(report.events)} events; replay matched ${checkpoints.matched} of ${checkpoints.total} checkpoints.`,
  ];
}

function phaseRows({ phases }: DemoReport): string[][] {
  return [
    ...PHASES.map(([key, title]) => [title, formatSeconds(phases[key])]),
    ["click to usable (phases overlap)", formatSeconds(phases.click_to_usable_s)],
  ];
}

function byteRows({ bytes }: DemoReport): string[][] {
  return [
    ...BYTES.map(([key, title]) => [title, formatBytes(bytes[key]), formatShare(bytes[key], bytes.total)]),
    ["total, as counted by the link", formatBytes(bytes.total), ""],
  ];
}

function blockRows({ blocks }: DemoReport): string[][] {
  const dirty = blocks.ram_dirty + blocks.disk_dirty;
  const rows: readonly (readonly [title: string, count: number])[] = [
    ["zero", blocks.zero],
    ["found in the old generation", blocks.generation],
    ["made by replay", blocks.twin],
    ["sent", blocks.shipped],
    ["the same as one of those", dirty - blocks.zero - blocks.generation - blocks.twin - blocks.shipped],
  ];
  return rows.map(([title, count]) => [title, formatCount(count), formatShare(count, dirty)]);
}

function otherWayRows({ bytes, compare, back }: DemoReport, bitsPerSecond: number | null): string[][] {
  const whole = compare.stop_and_copy_bytes;
  const ways: readonly (readonly [title: string, bytes: number])[] = [
    ["stop-and-copy, zstd", whole],
    ["overlay, without replay", compare.overlay_bytes],
    ["Homeward, with replay", bytes.total],
    ["Homeward, the way back", back.bytes],
  ];
  return [
    ["", "bytes", "share", "on this link"],
    ...ways.map(([title, count]) => [
      title,
      formatBytes(count),
      formatShare(count, whole),
      overLink(count, bitsPerSecond),
    ]),
  ];
}

/** The report as tables for people. */
export function reportText(
  report: DemoReport,
  surroundings: ReportSurroundings,
  bitsPerSecond: number | null,
): string {
  const { blocks, bytes, compare } = report;
  const { took, pictures, notes } = surroundings;
  return [
    ...proof(report, surroundings),
    ...section("Seconds from the click to a usable desktop", phaseRows(report)),
    ...section("Bytes on the link", byteRows(report)),
    ...section(
      `Changed blocks of 4 KiB: ${formatCount(blocks.ram_dirty)} of memory, ${formatCount(blocks.disk_dirty)} of disk`,
      blockRows(report),
    ),
    ...section("The same state moved in other ways", otherWayRows(report, bitsPerSecond)),
    "",
    `Replay sent ${formatShare(bytes.total, compare.overlay_bytes)} of what the overlay sends.`,
    ...section(
      "Seconds of the demo itself",
      took.map(([title, seconds]) => [title, formatSeconds(seconds)]),
    ),
    ...notes.map((note) => `Note: ${note}`),
    "",
    "Pictures",
    ...pictures.map((path) => `  ${path}`),
  ].join("\n");
}
