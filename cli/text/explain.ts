import { printable } from "../../common/progress-display.ts";
import { formatBytes, formatCount, formatShare } from "../../common/quantities.ts";
import { svgBar, svgDocument, svgText } from "../../common/svg.ts";
import { formatTable } from "../../common/table.ts";
import type { Explained } from "../../protocol/control.ts";

/** Characters of the longest bar. */
const BAR = 24;

function bar(part: number, whole: number): string {
  const length = whole === 0 ? 0 : (BAR * part) / whole;
  return part > 0 && length < 1 ? "·" : "█".repeat(Math.round(length));
}

function origin({ by }: Explained): string {
  return by === "descriptors"
    ? "What a page of memory was used for is from the guest kernel's own records."
    : "The guest's kernel keeps no records that are known here: kinds of memory are guesses by contents.";
}

function kindText({ title, what, cure, blocks, fresh, changed, parts }: Explained["kinds"][number]): string {
  const changes =
    blocks === fresh ? "" : ` ${formatCount(Math.round(changed / (blocks - fresh)))} bytes of each ${fresh === 0 ? "one" : "other one"} had changed.`;
  const zero = fresh === 0 ? "" : ` ${formatCount(fresh)} of ${formatCount(blocks)} blocks were zero before.`;
  const named = parts.length === 0 ? "" : ` Blocks of: ${parts.map(({ name, blocks: of }) => `${printable(name)} ${formatCount(of)}`).join(", ")}.`;
  return `${title}: ${what}${zero}${changes}${named}\n  Against it: ${cure}`;
}

/** What was sent in a table with bars, and then each kind in words. */
export function explainedText(explained: Explained): string {
  const { id, workspace, kinds, residualBytes, level } = explained;
  const all = kinds.reduce((sum, { bytes }) => sum + bytes, 0);
  const blocks = kinds.reduce((sum, kind) => sum + kind.blocks, 0);
  if (kinds.length === 0) return `Migration ${id.slice(0, 8)} of ${workspace} sent no blocks: the other host had them all.`;
  const most = Math.max(...kinds.map(({ bytes }) => bytes));
  const rows = kinds.map(({ title, blocks: of, bytes }) => [title, formatCount(of), formatBytes(bytes), formatShare(bytes, all), bar(bytes, most)]);
  const table = formatTable(
    [["KIND", "BLOCKS", "BYTES", "SHARE", ""], ...rows, ["all", formatCount(blocks), formatBytes(all), "", ""]],
    ["left", "right", "right", "right", "left"],
    "  ",
  );
  return [
    `What migration ${id.slice(0, 8)} of ${workspace} had to send: ${formatCount(blocks)} blocks of 4 KiB in ${formatBytes(residualBytes)}.`,
    `${table}\n  Bytes are estimates, which need not add up to that: each kind compressed by itself against the generation's blocks, at zstd level ${level}.\n  ${origin(explained)}`,
    ...kinds.map(kindText),
  ].join("\n\n");
}

const WIDTH = 760;
const LABEL = 260;
const VALUE = 150;
const ROW = 22;

/** The same table as a bar chart. */
export function explainedSvg({ id, workspace, kinds }: Explained): string {
  const title = `What migration ${id.slice(0, 8)} of ${workspace} had to send`;
  const most = Math.max(1, ...kinds.map(({ bytes }) => bytes));
  const room = WIDTH - LABEL - VALUE;
  const rows = kinds.flatMap(({ title: kind, bytes, blocks }, i) => {
    const y = 40 + i * ROW;
    const length = (room * bytes) / most;
    return [
      svgText(LABEL - 8, y + 13, kind, ' text-anchor="end"'),
      svgBar(LABEL, y + 2, length, ROW - 7, "#c2410c"),
      svgText(LABEL + length + 5, y + 13, `${formatBytes(bytes)}, ${formatCount(blocks)} blocks`, ' class="v"'),
    ];
  });
  return svgDocument(WIDTH, 52 + kinds.length * ROW, [svgText(10, 24, title, ' class="h"'), ...rows], title);
}
