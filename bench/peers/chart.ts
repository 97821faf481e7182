import { formatBytes } from "../../common/quantities.ts";
import { svgBar, svgDocument, svgText as text } from "../../common/svg.ts";
import type { SessionResult } from "./method.ts";
import { sortedRows } from "./table.ts";

const WIDTH = 900;
const LABEL = 290;
const VALUE = 80;
const ROW = 20;
const HEAD = 34;
function rectangle(x: number, y: number, width: number, colour: string): string {
  return svgBar(x, y, width, ROW - 6, colour);
}

/** Where a number lies on a logarithmic axis, 0 to 1. @param from, @param to powers of ten */
export function logPosition(value: number, from: number, to: number): number {
  if (value <= 0) return 0;
  return Math.min(1, Math.max(0, (Math.log10(value) - from) / (to - from)));
}

function colourOf(method: string): string {
  if (method.startsWith("Homeward")) return "#c2410c";
  return method.startsWith("overlay") ? "#1e3a8a" : "#7c93b2";
}

/** Bytes of every method, session by session, on a logarithmic axis, fewest last. */
export function bytesChart(results: readonly SessionResult[]): string {
  const all = results.flatMap(({ rows }) => rows.map(({ bytes }) => bytes)).filter((bytes) => bytes > 0);
  const [from, to] = [Math.floor(Math.log10(Math.min(...all, 1e5))), Math.ceil(Math.log10(Math.max(...all, 1e6)))];
  const room = WIDTH - LABEL - VALUE;
  const parts: string[] = [];
  let y = 24;
  parts.push(text(10, y, "Bytes that cross, logarithmic", ' class="h"'));
  for (const { session, rows } of results) {
    y += HEAD;
    parts.push(text(10, y, session, ' class="h"'));
    const bottom = y + 6 + rows.length * ROW;
    for (let power = from; power <= to; power++) {
      const x = LABEL + (room * (power - from)) / (to - from);
      parts.push(`<line class="g" x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${y + 4}" y2="${bottom}"/>`);
      parts.push(text(x, y, formatBytes(10 ** power), ' class="v" text-anchor="middle"'));
    }
    y += 6;
    for (const { method, bytes } of sortedRows(rows)) {
      const length = room * logPosition(bytes, from, to);
      parts.push(text(LABEL - 8, y + 13, method, ' text-anchor="end"'));
      parts.push(rectangle(LABEL, y + 3, length, colourOf(method)));
      parts.push(text(LABEL + length + 5, y + 13, formatBytes(bytes), ' class="v"'));
      y += ROW;
    }
  }
  return svgDocument(WIDTH, y + 20, parts, "Bytes that cross, by method");
}

const ORIGINS = [
  ["zero", "#d6d3d1"],
  ["generation", "#7c93b2"],
  ["twin", "#f59e0b"],
  ["shipped", "#c2410c"],
] as const;

/** Where the changed blocks of each session came from, as shares of all of them. */
export function originsChart(results: readonly SessionResult[]): string {
  const room = WIDTH - LABEL - VALUE;
  const parts: string[] = [text(10, 24, "Where the changed blocks came from", ' class="h"')];
  let x = LABEL;
  for (const [name, colour] of ORIGINS) {
    parts.push(rectangle(x, 32, 14, colour), text(x + 19, 43, name));
    x += 120;
  }
  let y = 56;
  for (const { session, origins } of results) {
    if (origins === null) continue;
    for (const mode of ["overlay", "replay"] as const) {
      const of = origins[mode];
      const total = ORIGINS.reduce((sum, [name]) => sum + of[name], 0);
      parts.push(text(LABEL - 8, y + 13, `${session}, ${mode}`, ' text-anchor="end"'));
      let at = LABEL;
      for (const [name, colour] of ORIGINS) {
        const length = total === 0 ? 0 : (room * of[name]) / total;
        parts.push(rectangle(at, y + 3, length, colour));
        at += length;
      }
      parts.push(text(LABEL + room + 5, y + 13, formatBytes(total), ' class="v"'));
      y += ROW;
    }
    y += 8;
  }
  return svgDocument(WIDTH, y + 12, parts, "Where the changed blocks came from");
}
