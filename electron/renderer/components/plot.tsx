import type { JSX } from "preact";

export interface Series {
  readonly name: string;
  /** One of the colours --plot-1 to --plot-4. */
  readonly colour: 1 | 2 | 3 | 4;
  /** One value for each x. */
  readonly values: readonly number[];
}

export interface PlotProps {
  /** What it shows in a sentence, for screen readers. */
  readonly label: string;
  /** Ascending, e.g. seconds. */
  readonly x: readonly number[];
  /** Stacked on each other, the first one at the bottom. */
  readonly series: readonly Series[];
  readonly formatX: (x: number) => string;
  readonly formatY: (y: number) => string;
}

const [WIDTH, HEIGHT] = [600, 160];

/** Stacked areas over a line of time. */
export function Plot({ label, x, series, formatX, formatY }: PlotProps): JSX.Element {
  const sums = x.map((_, i) => series.reduce((sum, { values }) => sum + (values[i] ?? 0), 0));
  const top = Math.max(1, ...sums);
  const [first = 0, last = 1] = [x[0], x.at(-1)];
  const placeX = (value: number): number => ((value - first) / Math.max(1e-9, last - first)) * WIDTH;
  const placeY = (value: number): number => HEIGHT - (value / top) * HEIGHT;
  const below = x.map(() => 0);
  const areas = series.map(({ colour, values }) => {
    const bottom = x.map((at, i) => `${placeX(at)},${placeY(below[i] ?? 0)}`);
    for (const i of x.keys()) below[i] = (below[i] ?? 0) + (values[i] ?? 0);
    const upper = x.map((at, i) => `${placeX(at)},${placeY(below[i] ?? 0)}`);
    return <polygon key={colour} class={`plot-${colour}`} points={[...upper, ...bottom.reverse()].join(" ")} />;
  });
  return (
    <figure class="plot">
      <div class="plot-top">{formatY(top)}</div>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
        {areas}
      </svg>
      <div class="plot-axis">
        <span>{formatX(first)}</span>
        <span>{formatX(last)}</span>
      </div>
      <figcaption>
        {series.map(({ name, colour, values }) => (
          <span key={name} class="plot-key">
            <i class={`plot-${colour}`} />
            {name} {formatY(values.at(-1) ?? 0)}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}
