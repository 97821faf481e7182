import type { HomewardError } from "../common/errors.ts";
import { ProgressDisplay, printable, type Terminal } from "../common/progress-display.ts";
import { JsonLines } from "../common/progress-json.ts";
import type { Progress } from "../common/progress.ts";
import { formatSeconds } from "../common/quantities.ts";
import type { DemoReport } from "./report.ts";

/** Tells the user what the demo does, as text or as JSON Lines. */
export interface Reporter extends Progress {
  /** A phase has ended. */
  phaseDone(title: string, seconds: number): void;
  /** A remark for people. */
  say(text: string): void;
  error(error: HomewardError): void;
  /** The outcome, last; `text` is the same for people. */
  report(report: DemoReport, text: string): void;
}

/** Everything on stdout, since the text is all there is; errors on stderr. */
export function textReporter(stdout: Terminal, stderr: Terminal): Reporter {
  const display = new ProgressDisplay(stdout);
  return {
    update: (update) => {
      display.update(update);
    },
    phaseDone: (title, seconds) => {
      display.line(`${formatSeconds(seconds).padStart(12)}  ${title}`);
    },
    say: (text) => {
      display.line(text);
    },
    error: ({ message, hint }) => {
      display.clear();
      stderr.write(`${printable(message)}\n`);
      if (hint !== undefined) stderr.write(`${hint}\n`);
    },
    report: (_report, text) => {
      display.line(`\n${text}`);
    },
  };
}

export function jsonReporter(write: (text: string) => unknown): Reporter {
  const lines = new JsonLines(write);
  return {
    update: (update) => {
      lines.update(update);
    },
    phaseDone: (title, seconds) => {
      lines.line("phase", { title, seconds: round(seconds) });
    },
    say: () => undefined,
    error: ({ code, message, hint }) => {
      lines.line("error", { code, message, hint: hint ?? null });
    },
    report: ({ type, ...fields }) => {
      lines.line(type, fields);
    },
  };
}

function round(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
