import { printable } from "../../common/progress-display.ts";
import { formatBytes, formatCapacity } from "../../common/quantities.ts";
import { formatTable } from "../../common/table.ts";
import type { ControlResult } from "../../protocol/control.ts";
import type { ImportPlan, Origin } from "../../protocol/import.ts";
import { workspaceText } from "./workspace.ts";

const ORIGINS: Readonly<Record<Origin, string>> = {
  given: "as you said",
  libvirt: "from libvirt",
  image: "found on the disk",
  usual: "usual",
};

function planText(plan: ImportPlan): string {
  const { origins } = plan;
  const rows: [what: string, value: string, why: string][] = [
    ["disk", `${formatCapacity(plan.diskBytes)}, ${plan.format}`, `${formatBytes(plan.allocatedBytes)} to copy`],
    ["disk attached by", plan.diskBus, ORIGINS[origins.diskBus]],
    ["firmware", plan.firmware === "uefi" ? "UEFI" : "BIOS", ORIGINS[origins.firmware]],
    ["memory", formatCapacity(plan.memoryBytes), ORIGINS[origins.memoryBytes]],
    ["CPUs", String(plan.cpus), ORIGINS[origins.cpus]],
    ["CPU model", plan.cpuModel, ORIGINS[origins.cpuModel]],
    ["network card", plan.nic === "none" ? "none" : `${plan.nic}, ${plan.mac}`, ORIGINS[origins.nic]],
  ];
  if (plan.firmware === "uefi")
    rows.push(["UEFI variables", plan.uefiVariables ?? "new", plan.uefiVariables === null ? "usual" : ""]);
  return [printable(plan.image), formatTable(rows.map((row) => row.map(printable)), [], "  ")].join("\n");
}

/** What an image became, or would become. */
export function importText({ plan, workspace }: ControlResult<"import">): string {
  const notes = plan.notes.map((note) => `note: ${printable(note)}`);
  const outcome = workspace === null ? "Nothing was made." : workspaceText(workspace);
  return [planText(plan), ...notes, outcome].join("\n");
}
