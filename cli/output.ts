import type { HomewardError } from "../common/errors.ts";
import { ProgressDisplay, printable, type Terminal } from "../common/progress-display.ts";
import { JsonLines } from "../common/progress-json.ts";
import type { Progress } from "../common/progress.ts";

/** Where a command says how far it is and what came of it. Results go to stdout; for people everything else to stderr. */
export interface Output extends Progress {
  /** The outcome, once. `asText` is only called for people. */
  result<T extends object>(value: T, asText: (value: T) => string): void;
  error(error: HomewardError): void;
  /** A remark for people; left out of JSON. */
  note(text: string): void;
}

type Write = (text: string) => unknown;

export function textOutput(stdout: Write, terminal: Terminal): Output {
  const display = new ProgressDisplay(terminal);
  return {
    update: (update) => {
      display.update(update);
    },
    result: (value, asText) => {
      display.clear();
      const text = asText(value);
      if (text !== "") stdout(`${text}\n`);
    },
    error: ({ code, message, hint }) => {
      display.line(`homeward: ${code === "INTERNAL" ? "internal error: " : ""}${printable(message)}`);
      if (hint !== undefined) for (const line of hint.split("\n")) display.line(`  ${printable(line)}`);
    },
    note: (text) => {
      display.line(text);
    },
  };
}

/** JSON Lines on stdout: `progress` any number of times, then one `result` or one `error`. */
export function jsonOutput(stdout: Write): Output {
  const lines = new JsonLines(stdout);
  return {
    update: (update) => {
      lines.update(update);
    },
    result: (value) => {
      lines.line("result", value);
    },
    error: ({ code, message, hint, data }) => {
      lines.line("error", { code, message, hint: hint ?? null, data });
    },
    note: () => undefined,
  };
}
