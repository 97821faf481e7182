import { printable } from "../../common/progress-display.ts";
import { formatBytes } from "../../common/quantities.ts";
import { formatTable } from "../../common/table.ts";
import type { Collected } from "../../protocol/control.ts";
import { shortRoot } from "./workspace.ts";

const KINDS: Readonly<Record<Collected["removed"][number]["kind"], string>> = {
  generation: "generation",
  layer: "disk layer",
  blob: "kernel",
  unfinished: "unfinished work",
  "run-folder": "run folder",
};

function sum(items: readonly { readonly bytes: number }[]): number {
  return items.reduce((total, { bytes }) => total + bytes, 0);
}

/** What a clean-up did, or would do. */
export function collectedText({ dryRun, removed, merged, kept, postponed }: Collected): string {
  const lines: string[] = [];
  for (const { workspace, layers } of merged)
    lines.push(`${dryRun ? "Would merge" : "Merged"} the ${layers} layers of the disk of ${workspace}.`);
  const rows = removed.map(({ kind, name, bytes }) => [
    KINDS[kind],
    printable(kind === "generation" ? shortRoot(name) : name),
    formatBytes(bytes),
  ]);
  if (rows.length === 0) lines.push("Nothing to remove.");
  else
    lines.push(
      `${dryRun ? "Would remove" : "Removed"}, ${formatBytes(sum(removed))} in all:`,
      formatTable(rows, ["left", "left", "right"], "  "),
    );
  if (kept.length > 0)
    lines.push(
      `${kept.length === 1 ? "Generation" : "Generations"} that ${dryRun ? "would stay" : "stay"}, ${formatBytes(sum(kept))} without disks:`,
      formatTable(
        kept.map(({ root, bytes, why }) => [shortRoot(root), formatBytes(bytes), printable(why.join("; "))]),
        ["left", "right"],
        "  ",
      ),
    );
  if (postponed) lines.push("Some of it waits for work that is under way; it is removed once that is over.");
  return lines.join("\n");
}
