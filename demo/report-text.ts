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

/** The report as tables for people. */
export function reportText(report: DemoReport, { took, link, pictureDifference, pictures, notes }: ReportSurroundings, bitsPerSecond: number | null): string {
  const { phases, bytes, blocks, compare, checkpoints } = report;
  const indent = "  ";
  const dirty = blocks.ram_dirty + blocks.disk_dirty;
  const copies = dirty - blocks.zero - blocks.generation - blocks.twin - blocks.shipped;
  const same =
    pictureDifference === 0 ? "the very same picture" : `${formatShare(pictureDifference, 1)} of the pixels differ`;
  const sections = [
    `The machine moved from laptop to home over a link of ${link}, and back.`,
    report.verified
      ? "Verified: memory, device state and every disk block of both hosts were byte for byte the same."
      : "NOT VERIFIED: the hosts' files differ.",
    `Screen before and after: ${same}.`,
    "",
    `Recorded ${formatSeconds(report.recorded_s)} (${formatSeconds(report.think_s)} of it pauses), ` +
      `${formatCount(report.events)} events; replay matched ${checkpoints.matched} of ${checkpoints.total} checkpoints.`,
    "",
    "Seconds from the click to a usable desktop",
    formatTable(
      [
        ...PHASES.map(([key, title]) => [title, formatSeconds(phases[key])]),
        ["click to usable (phases overlap)", formatSeconds(phases.click_to_usable_s)],
      ],
      ["left", "right"],
      indent,
    ),
    "",
    "Bytes on the link",
    formatTable(
      [
        ...BYTES.map(([key, title]) => [title, formatBytes(bytes[key]), formatShare(bytes[key], bytes.total)]),
        ["total, as counted by the link", formatBytes(bytes.total), ""],
      ],
      ["left", "right", "right"],
      indent,
    ),
    "",
    `Changed blocks of 4 KiB: ${formatCount(blocks.ram_dirty)} of memory, ${formatCount(blocks.disk_dirty)} of disk`,
    formatTable(
      [
        ["zero", formatCount(blocks.zero), formatShare(blocks.zero, dirty)],
        ["found in the old generation", formatCount(blocks.generation), formatShare(blocks.generation, dirty)],
        ["made by replay", formatCount(blocks.twin), formatShare(blocks.twin, dirty)],
        ["sent", formatCount(blocks.shipped), formatShare(blocks.shipped, dirty)],
        ["the same as one of those", formatCount(copies), formatShare(copies, dirty)],
      ],
      ["left", "right", "right"],
      indent,
    ),
    "",
    "The same state moved in other ways",
    formatTable(
      [
        ["", "bytes", "share", "on this link"],
        ["stop-and-copy, zstd", ...otherWay(compare.stop_and_copy_bytes, compare.stop_and_copy_bytes, bitsPerSecond)],
        ["overlay, without replay", ...otherWay(compare.overlay_bytes, compare.stop_and_copy_bytes, bitsPerSecond)],
        ["Homeward, with replay", ...otherWay(bytes.total, compare.stop_and_copy_bytes, bitsPerSecond)],
        ["Homeward, the way back", ...otherWay(report.back.bytes, compare.stop_and_copy_bytes, bitsPerSecond)],
      ],
      ["left", "right", "right", "right"],
      indent,
    ),
    "",
    `Replay sent ${formatShare(bytes.total, compare.overlay_bytes)} of what the overlay sends.`,
    "",
    "Seconds of the demo itself",
    formatTable(
      took.map(([title, seconds]) => [title, formatSeconds(seconds)]),
      ["left", "right"],
      indent,
    ),
    ...notes.map((note) => `Note: ${note}`),
    "",
    "Pictures",
    ...pictures.map((path) => indent + path),
  ];
  return sections.join("\n");
}

function otherWay(bytes: number, whole: number, bitsPerSecond: number | null): string[] {
  return [formatBytes(bytes), formatShare(bytes, whole), overLink(bytes, bitsPerSecond)];
}
