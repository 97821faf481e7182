import type { Progress, ProgressUpdate } from "./progress.ts";
import { formatBytes, formatCount, formatSeconds } from "./quantities.ts";
import { PhaseTimes } from "./time-left.ts";

/** Where progress is drawn; process.stderr fits. */
export interface Terminal {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

const BAR_CELLS = 24;
/** A terminal is redrawn at most this often. */
const REDRAW_MS = 100;
/** Elsewhere a line is written at most this often when another phase has begun, and this often within one. */
const NEW_PHASE_LINE_MS = 1000;
const LINE_MS = 5000;

/** A text from a guest or a peer must not steer the terminal. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, " ");
}

function quantity(value: number, unit: ProgressUpdate["unit"]): string {
  switch (unit) {
    case "bytes":
      return formatBytes(value);
    case "ms":
      return formatSeconds(value / 1000);
    case "blocks":
    case "steps":
      return formatCount(value);
  }
}

/** "1.20 MB of 3.40 MB", without the total while it is unknown; nothing at the start of something unknown. */
function howFar({ done, total, unit }: ProgressUpdate): string {
  if (total === undefined && done === 0) return "";
  const suffix = unit === "blocks" || unit === "steps" ? ` ${unit}` : "";
  return total === undefined
    ? `${quantity(done, unit)}${suffix}`
    : `${quantity(done, unit)} of ${quantity(total, unit)}${suffix}`;
}

function bar(fraction: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, fraction)) * BAR_CELLS);
  return `[${"#".repeat(filled)}${"-".repeat(BAR_CELLS - filled)}]`;
}

/**
 * Shows progress to a person: one line that is rewritten on a terminal, plain lines elsewhere. Other text goes through
 * `line`, so that the two do not overwrite each other.
 */
export class ProgressDisplay implements Progress {
  readonly #terminal: Terminal;
  readonly #now: () => number;
  readonly #times = new PhaseTimes();
  #drawn = false;
  #lastMs: number;
  #lastPhase = "";

  constructor(terminal: Terminal, now: () => number = () => performance.now()) {
    this.#terminal = terminal;
    this.#now = now;
    // What takes less than a second needs no lines of its own in a log.
    this.#lastMs = terminal.isTTY === true ? -Infinity : now();
  }

  update(update: ProgressUpdate): void {
    const nowMs = this.#now();
    const leftMs = this.#times.note(update, nowMs);
    const isTerminal = this.#terminal.isTTY === true;
    const isNew = update.phase !== this.#lastPhase;
    const pauseMs = isTerminal ? (isNew ? 0 : REDRAW_MS) : isNew ? NEW_PHASE_LINE_MS : LINE_MS;
    if (nowMs - this.#lastMs < pauseMs) return;
    this.#lastPhase = update.phase;
    this.#lastMs = nowMs;
    if (isTerminal) this.#draw(update, leftMs);
    else this.#terminal.write(`${this.#text(update, leftMs)}\n`);
  }

  /** Writes a line that stays. */
  line(text: string): void {
    this.clear();
    this.#terminal.write(`${text}\n`);
  }

  /** Takes the bar off the terminal. */
  clear(): void {
    if (this.#drawn) this.#terminal.write("\r\u001b[K");
    this.#drawn = false;
    this.#lastPhase = "";
  }

  #text(update: ProgressUpdate, leftMs: number | undefined): string {
    const parts = [howFar(update)].filter((part) => part !== "");
    if (leftMs !== undefined && leftMs >= 1000) parts.push(`${formatSeconds(leftMs / 1000)} left`);
    if (update.note !== undefined && update.note !== "") parts.push(printable(update.note));
    return [printable(update.phase), parts.join(", ")].filter((part) => part !== "").join(": ");
  }

  #draw(update: ProgressUpdate, leftMs: number | undefined): void {
    const { done, total } = update;
    const gauge = total === undefined || total === 0 ? "" : `${bar(done / total)} `;
    const columns = this.#terminal.columns ?? 80;
    // One column stays free: a line that fills the last one wraps on some terminals and cannot be rewritten.
    this.#terminal.write(`\r\u001b[K${(gauge + this.#text(update, leftMs)).slice(0, columns - 1)}`);
    this.#drawn = true;
  }
}
