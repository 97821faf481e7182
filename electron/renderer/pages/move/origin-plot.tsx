import type { JSX } from "preact";
import { formatBytes, formatSeconds } from "../../../../common/quantities.ts";
import { Plot } from "../../components/plot.tsx";
import { texts } from "../../texts/texts.ts";
import { originsOf, withSample, type Migration } from "./figures.ts";
import { seenFigures } from "./seen-figures.ts";

const KINDS = ["log", "index", "need", "residual", "device", "control"] as const;

/** Where the data of a move comes from over time, as far as this tab has seen it, and what crossed the connection. */
export function OriginPlot({ id, bytes, blocks }: { readonly id: string } & Pick<Migration, "bytes" | "blocks">): JSX.Element {
  const words = texts.move;
  const seen = seenFigures.value.get(id) ?? [];
  const present = { atS: seen.at(-1)?.atS ?? 0, ...originsOf({ bytes, blocks }) };
  const samples = seen.length === 0 ? [] : withSample(seen, present);
  return (
    <section class="panel">
      <h2>{words.originTitle}</h2>
      {samples.length < 2 ? null : (
        <Plot
          label={words.originLabel(formatBytes(present.home), formatBytes(present.replayed), formatBytes(present.sent))}
          x={samples.map(({ atS }) => atS)}
          formatX={formatSeconds}
          formatY={formatBytes}
          series={[
            { name: words.origin.sent, colour: 3, values: samples.map(({ sent }) => sent) },
            { name: words.origin.replayed, colour: 2, values: samples.map(({ replayed }) => replayed) },
            { name: words.origin.home, colour: 1, values: samples.map(({ home }) => home) },
          ]}
        />
      )}
      {blocks === null ? <p class="muted">{words.originSoon}</p> : null}
      {bytes === null ? null : (
        <dl class="kinds" aria-label={words.sentTitle}>
          {KINDS.map((kind) => (
            <div key={kind}>
              <dt>{words.kinds[kind]}</dt>
              <dd>{formatBytes(bytes[kind])}</dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  );
}
