import type { JSX } from "preact";

export interface Fact {
  readonly name: string;
  /** A line each. */
  readonly values: readonly string[];
}

/** What is to be known of something: names and, beside them, what they stand for. */
export function Facts({ facts }: { readonly facts: readonly Fact[] }): JSX.Element {
  return (
    <dl class="facts">
      {facts.map(({ name, values }) => (
        <div key={name}>
          <dt>{name}</dt>
          {values.map((value) => (
            <dd key={value}>{value}</dd>
          ))}
        </div>
      ))}
    </dl>
  );
}
