import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SWITCHES, type Switch } from "./switches.ts";

export interface ScriptOptions {
  /** In any order; they are applied in that of the list. */
  readonly switches: readonly Switch[];
  readonly undo: boolean;
}

const FUNCTIONS = join(import.meta.dirname, "functions.sh");

function comment(text: string): string {
  return text.replaceAll(/[^\n]{1,110}(?:\s+|$)/g, (line) => `# ${line.trimEnd()}\n`);
}

function head({ switches, undo }: ScriptOptions): string {
  const names = switches.map(({ name }) => name).join(", ");
  return `#!/bin/sh
${comment(
  undo
    ? `Undoes what "homeward prepare" changed in this guest: ${names}.`
    : `Prepares a Debian-like guest so that it replays and discards well: ${names}. It may be run again at any time.`,
)}# Run it as root inside the guest, or with --root DIR on a guest's root file system that is mounted there.
# What is changed is kept under /var/lib/homeward-prepare; "homeward prepare --undo" prints the script that puts it back.
set -eu
`;
}

function applied({ name, what, trades, apply, afterwards }: Switch): string {
  return [comment(what) + (trades === null ? "" : comment(`Trades: ${trades}`)) + `begin ${name}`, apply, ...afterwards.map((command) => `live ${command}`)].join("\n");
}

function undone({ name, afterwards }: Switch): string {
  return [`undo ${name}`, ...afterwards.map((command) => `live ${command}`)].join("\n");
}

/** A POSIX shell script that a person can read, which applies the switches or undoes them. */
export function prepareScript(options: ScriptOptions): string {
  const chosen = SWITCHES.filter((each) => options.switches.includes(each));
  // Undone the other way round, as far as anything depends on it.
  const parts = options.undo ? chosen.toReversed().map(undone) : chosen.map(applied);
  const end = options.undo ? `rmdir "$kept" 2>/dev/null || :` : `rmdir "$kept" 2>/dev/null || printf 'What was changed is kept in %s.\\n' "$kept"`;
  return [head(options), readFileSync(FUNCTIONS, "utf8"), ...parts.map((part) => `${part}\n`), `${end}\n`].join("\n");
}
