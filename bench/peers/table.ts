import { formatBytes, formatSeconds, formatShare } from "../../common/quantities.ts";
import { formatTable } from "../../common/table.ts";
import { RATES_MBIT, type Row, type SessionResult } from "./method.ts";

/** The best that is known without replay: what every method is compared with. */
export const BAR = "overlay, dedup, patches, xz -9e";

/** Fewest bytes last. */
export function sortedRows(rows: readonly Row[]): Row[] {
  return [...rows].sort((a, b) => b.bytes - a.bytes);
}

function timeCell(row: Row, mbit: number): string {
  const time = row.times.find((one) => one.mbit === mbit);
  if (time === undefined) return "–";
  return `${time.how === "computed" ? "~" : ""}${formatSeconds(time.seconds)}`;
}

/** One session's rows as text; the unit of each column is in it. */
export function formatResult({ session, description, played_s, rows }: SessionResult): string {
  const bar = rows.find(({ method }) => method === BAR)?.bytes ?? 0;
  const head = ["", "bytes", "of bar", ...RATES_MBIT.map((mbit) => `${mbit} Mbit/s`), "CPU", "memory", ""];
  const body = sortedRows(rows).map((row) => [
    row.method,
    formatBytes(row.bytes),
    formatShare(row.bytes, bar),
    ...RATES_MBIT.map((mbit) => timeCell(row, mbit)),
    formatSeconds(row.cpu_s),
    formatBytes(row.peak_bytes),
    row.identical ? "same" : "NOT THE SAME",
  ]);
  const table = formatTable([head, ...body], ["left", ...head.slice(1, -1).map(() => "right" as const), "left"], "  ");
  return `${session}, ${formatSeconds(played_s)}: ${description}\n${table}\n`;
}

/** What the marks in the tables mean. */
export const LEGEND = `Bytes are all that crosses, both ways. "of bar": of what "${BAR}" takes.
Times are from click to usable with a round trip of 50 ms; ~ is computed: from another measured rate for rsync, QEMU and
Homeward, otherwise from bytes and processor time (encoder, line and decoder at once where the program streams, else one after
the other). CPU: user and system of both ends. Memory: the most at either end; of QEMU and Homeward with the machines.
`;
