/** An amount, as components/bars.tsx shows it. */
export interface Bar {
  readonly name: string;
  readonly value: number;
  /** One of the colours --plot-1 to --plot-4. */
  readonly colour?: 1 | 2 | 3 | 4;
}
