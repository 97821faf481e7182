import type { DoctorCheck } from "../../protocol/control.ts";

/** What one look at something found. */
export type Finding = Omit<DoctorCheck, "name">;

export function fine(found: string): Finding {
  return { severity: "ok", found, hint: null, command: null };
}

/** What to do about it: a sentence, and a command where one does it. */
export interface Mending {
  readonly hint: string;
  readonly command?: string;
}

/** Homeward works, but not as well as it could, or not with everybody. */
export function warning(found: string, { hint, command }: Mending): Finding {
  return { severity: "warning", found, hint, command: command ?? null };
}

/** Homeward does not work like this. */
export function problem(found: string, { hint, command }: Mending): Finding {
  return { severity: "problem", found, hint, command: command ?? null };
}

/** A path as one word of a shell's command line. */
export function quoted(path: string): string {
  return /^[A-Za-z0-9_./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
