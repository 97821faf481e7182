import type { JSX } from "preact";
import type { Bar } from "./bar.ts";

export interface BarsProps {
  /** What is compared, a heading of the table. */
  readonly caption: string;
  readonly columns: { readonly name: string; readonly value: string };
  readonly bars: readonly Bar[];
  readonly format: (value: number) => string;
  /** The last line, without a bar. */
  readonly total?: { readonly name: string; readonly value: number };
}

/** Amounts beside each other: a table, so that it can be read in any way, with a bar for each amount. */
export function Bars({ caption, columns, bars, format, total }: BarsProps): JSX.Element {
  const top = Math.max(1e-9, ...bars.map(({ value }) => value));
  return (
    <table class="bars">
      <caption>{caption}</caption>
      <thead class="only-read">
        <tr>
          <th scope="col">{columns.name}</th>
          <td />
          <th scope="col">{columns.value}</th>
        </tr>
      </thead>
      <tbody>
        {bars.map(({ name, value, colour = 1 }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td class="bar" aria-hidden="true">
              <svg viewBox="0 0 100 10" preserveAspectRatio="none">
                <rect class={`plot-${colour}`} width={value === 0 ? 0 : Math.max(0.5, (100 * value) / top)} height="10" />
              </svg>
            </td>
            <td class="number">{format(value)}</td>
          </tr>
        ))}
        {total === undefined ? null : (
          <tr class="total">
            <th scope="row">{total.name}</th>
            <td />
            <td class="number">{format(total.value)}</td>
          </tr>
        )}
      </tbody>
    </table>
  );
}
