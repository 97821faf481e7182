import { formatSeconds } from "../../common/quantities.ts";

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;

/** How long ago, as people say it: "just now", "12 minutes ago", "3 hours ago", "5 days ago". */
export function ago(at: string, now: Date): string {
  const seconds = Math.round((now.getTime() - Date.parse(at)) / 1000);
  if (seconds < -MINUTE_S) return `${formatSeconds(-seconds)} in the future by this clock`;
  if (seconds < MINUTE_S) return "just now";
  if (seconds < HOUR_S) return counted(seconds / MINUTE_S, "minute");
  if (seconds < 2 * DAY_S) return counted(seconds / HOUR_S, "hour");
  return counted(seconds / DAY_S, "day");
}

function counted(count: number, unit: string): string {
  const whole = Math.floor(count);
  return `${whole} ${unit}${whole === 1 ? "" : "s"} ago`;
}

/** How long it is since then, to the minute: "3 days 2 h 5 min", "2 h 0 min", "0 min". */
export function duration(since: string, now: Date): string {
  const minutes = Math.max(0, Math.floor((now.getTime() - Date.parse(since)) / 60_000));
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60)];
  const parts = [days > 0 ? `${days} ${days === 1 ? "day" : "days"}` : "", minutes >= 60 ? `${hours} h` : "", `${minutes % 60} min`];
  return parts.filter((part) => part !== "").join(" ");
}

/** "2026-01-02 03:04" in this computer's own time zone. */
export function localTime(at: string): string {
  const date = new Date(at);
  const pad = (value: number): string => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}`;
}
