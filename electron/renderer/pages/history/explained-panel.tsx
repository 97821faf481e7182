import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useId } from "preact/hooks";
import { formatBytes, formatCount } from "../../../../common/quantities.ts";
import type { Explained } from "../../../../protocol/control.ts";
import { Bars } from "../../components/bars.tsx";
import { Button } from "../../components/button.tsx";
import { ErrorNotice } from "../../components/notice.tsx";
import { useAction } from "../../control/action.ts";
import { call } from "../../control/service.ts";
import { texts } from "../../texts/texts.ts";

const words = texts.history;

function Kinds({ explained }: { readonly explained: Explained }): JSX.Element {
  const { kinds, by } = explained;
  return (
    <>
      <Bars
        caption={words.explainedCaption}
        columns={{ name: words.kind, value: words.amount }}
        bars={kinds.map(({ title, blocks, bytes }) => ({ name: words.explainedKind(title, formatCount(blocks)), value: bytes }))}
        format={formatBytes}
      />
      <p class="muted">{by === "descriptors" ? words.explainedByKernel : words.explainedByContents}</p>
      <dl>
        {kinds.flatMap(({ kind, title, what, cure }) => [<dt key={kind}>{title}</dt>, <dd key={`${kind}-text`}>{`${what} ${words.cure(cure)}`}</dd>])}
      </dl>
    </>
  );
}

/** What had to be sent, by kind; it is read from two generations only when somebody asks. */
export function ExplainedPanel({ id }: { readonly id: string }): JSX.Element {
  const heading = useId();
  const explained = useSignal<Explained | null>(null);
  const action = useAction();
  const read = (): void => {
    void action.run(async () => {
      explained.value = await call("explain", { id });
    });
  };
  return (
    <section class="panel" aria-labelledby={heading}>
      <h2 id={heading}>{words.explainedTitle}</h2>
      <ErrorNotice error={action.error.value} onDismiss={action.dismiss} />
      {explained.value === null ? (
        <Button onClick={read} busy={action.busy.value}>
          {words.explain}
        </Button>
      ) : (
        <Kinds explained={explained.value} />
      )}
    </section>
  );
}
