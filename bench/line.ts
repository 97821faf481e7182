import { formatTable } from "../common/table.ts";

/** One figure of the table. */
export interface Line {
  readonly what: string;
  readonly value: number;
  /** Empty for a ratio. */
  readonly unit: "" | "%" | "ms" | "s" | "B" | "kB" | "MB" | "MB/s" | "kB/min" | "B/block";
  /** What was promised; absent for a figure that only explains another one. */
  readonly limit?: { readonly atMost: number } | { readonly atLeast: number };
}

/** A figure, and the name of the measurement that it comes from. */
export interface NamedLine extends Line {
  readonly bench: string;
}

/** Undefined when nothing was promised. */
export function isKept({ value, limit }: Line): boolean | undefined {
  if (limit === undefined) return undefined;
  // A measurement that went wrong, NaN, keeps nothing.
  return "atMost" in limit ? value <= limit.atMost : value >= limit.atLeast;
}

/** Three significant digits, and never an exponent. */
function figure(value: number): string {
  const digits = Math.abs(value) >= 99.95 ? 0 : Math.abs(value) >= 9.995 ? 1 : 2;
  return value.toFixed(digits);
}

function withUnit(value: string, unit: string): string {
  return unit === "" ? value : `${value} ${unit}`;
}

function limitText({ limit, unit }: Line): string {
  if (limit === undefined) return "";
  return "atMost" in limit ? `at most ${withUnit(String(limit.atMost), unit)}` : `at least ${withUnit(String(limit.atLeast), unit)}`;
}

/** The figures as text, one a line. */
export function formatLines(lines: readonly NamedLine[]): string {
  const rows = lines.map((line) => {
    const kept = isKept(line);
    const verdict = kept === undefined ? "" : kept ? "kept" : "MISSED";
    return [line.bench, line.what, withUnit(figure(line.value), line.unit), limitText(line), verdict];
  });
  return formatTable([["", "", "measured", "limit", ""], ...rows], ["left", "left", "right", "left", "left"]);
}

/** The same for programs. */
export function linesAsJson(lines: readonly NamedLine[]): object[] {
  return lines.map((line) => ({ ...line, limit: line.limit ?? null, kept: isKept(line) ?? null }));
}
