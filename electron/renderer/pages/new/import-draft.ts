import { nameSchema, pathSchema, type ControlParams, type WorkspaceStatus } from "../../../../protocol/control.ts";
import type { ImportPlan } from "../../../../protocol/import.ts";
import { texts } from "../../texts/texts.ts";

const GIB = 2 ** 30;
const MAX_NAME = 32;

/** What the user changed of what was found; as it was typed. Undefined: as found. */
export interface Changes {
  readonly memory?: string;
  readonly cpus?: string;
  readonly firmware?: ImportPlan["firmware"];
  readonly diskBus?: ImportPlan["diskBus"];
  readonly nic?: ImportPlan["nic"];
}

export type ImportSettings = Pick<ControlParams<"import">, "memoryBytes" | "cpus" | "firmware" | "diskBus" | "nic">;

/** What is wrong with the name, null if nothing is. */
export function nameError(name: string, workspaces: readonly WorkspaceStatus[]): string | null {
  if (name === "") return null;
  if (!nameSchema.safeParse(name).success) return texts.create.nameHint;
  return workspaces.some((workspace) => workspace.name === name) ? texts.create.nameTaken(name) : null;
}

export function pathError(path: string): string | null {
  return path === "" || pathSchema.safeParse(path).success ? null : texts.create.pathError;
}

export function memoryBytesOf(typed: string): number | null {
  const gib = Number(typed.replace(",", "."));
  return typed.trim() !== "" && Number.isFinite(gib) && gib > 0 && gib < 2 ** 20 ? Math.round(gib * GIB) : null;
}

export function cpusOf(typed: string): number | null {
  const cpus = Number(typed);
  return typed.trim() !== "" && Number.isInteger(cpus) && cpus >= 1 && cpus <= 64 ? cpus : null;
}

export function memoryText(bytes: number): string {
  return String(Number((bytes / GIB).toFixed(4)));
}

/** What is asked of the service; null as long as something in it is no number. */
export function settingsOf({ memory, cpus, ...rest }: Changes): ImportSettings | null {
  const memoryBytes = memory === undefined ? undefined : memoryBytesOf(memory);
  const count = cpus === undefined ? undefined : cpusOf(cpus);
  if (memoryBytes === null || count === null) return null;
  return { ...(memoryBytes === undefined ? {} : { memoryBytes }), ...(count === undefined ? {} : { cpus: count }), ...rest };
}

/** A workspace's name after its image: "Debian 12 (work).qcow2" becomes "debian-12-work". "" if nothing remains. */
export function nameAfter(path: string): string {
  const file = path.replace(/\/+$/, "").split("/").at(-1) ?? "";
  return file
    .replace(/\.(?:qcow2?|raw|img|vmdk|vdi)$/i, "")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, MAX_NAME)
    .replaceAll(/^-+|-+$/g, "");
}
