/** Numbers as people read them. Sizes are decimal (1 kB = 1000 bytes), as links are: 1 Mbit/s moves 125 kB a second. */

const SIZE_UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** A count with its thousands set apart by narrow spaces: 43 666. */
export function formatCount(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** Bytes with three significant digits: 999 B, 1.23 MB. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < SIZE_UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${SIZE_UNITS[unit] ?? "B"}`;
}

/** A size of memory or of a disk, which come in powers of two: 512 MiB, 3 GiB, 1.5 GiB. */
export function formatCapacity(bytes: number): string {
  const mib = bytes / 1_048_576;
  return mib < 1024 ? `${Number(mib.toFixed(1))} MiB` : `${Number((mib / 1024).toFixed(2))} GiB`;
}

/** A length of time with the precision that matters at its size: 0.06 s, 4.2 s, 38 s, 2 min 05 s, 1 h 02 min. */
export function formatSeconds(seconds: number): string {
  if (seconds < 1) return `${seconds.toFixed(2)} s`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${String(whole)} s`;
  const pad = (value: number): string => String(value).padStart(2, "0");
  if (whole < 3600) return `${String(Math.floor(whole / 60))} min ${pad(whole % 60)} s`;
  return `${String(Math.floor(whole / 3600))} h ${pad(Math.floor((whole % 3600) / 60))} min`;
}

/** A share as a percentage; two digits below 10 %. */
export function formatShare(part: number, whole: number): string {
  if (whole === 0) return "–";
  const percent = (100 * part) / whole;
  return `${percent.toFixed(percent < 9.95 ? 1 : 0)} %`;
}

/** 1:02:03.450 from milliseconds. */
export function formatTime(ms: number): string {
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor(ms / 60_000) % 60;
  const seconds = ((ms % 60_000) / 1000).toFixed(3).padStart(6, "0");
  const head = hours === 0 ? String(minutes) : `${hours}:${String(minutes).padStart(2, "0")}`;
  return `${head}:${seconds}`;
}
