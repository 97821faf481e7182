import type { JSX } from "preact";

export interface ProgressBarProps {
  /** What it is the progress of, for screen readers. */
  readonly label: string;
  readonly done: number;
  /** Undefined while unknown: it then only shows that something is going on. */
  readonly total: number | undefined;
}

export function ProgressBar({ label, done, total }: ProgressBarProps): JSX.Element {
  return total === undefined || total === 0 ? (
    <progress class="progress" aria-label={label} />
  ) : (
    <progress class="progress" aria-label={label} value={Math.min(done, total)} max={total} />
  );
}
