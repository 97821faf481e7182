import type { JSX } from "preact";
import { useId } from "preact/hooks";
import { Choice, TextField } from "../../components/field.tsx";
import { texts } from "../../texts/texts.ts";
import { parseNames, type RightsDraft } from "./check-pairing.ts";

export interface RightsFieldsProps {
  readonly host: string;
  readonly draft: RightsDraft;
  readonly onChange: (draft: RightsDraft) => void;
}

/** What another host may do: move workspaces here, have them moved there, and which. */
export function RightsFields({ host, draft, onChange }: RightsFieldsProps): JSX.Element {
  const words = texts.hosts;
  const group = useId();
  return (
    <fieldset class="choices">
      <legend>{words.rights}</legend>
      <Choice kind="checkbox" label={words.mayPush(host)} checked={draft.push} onChange={(push) => { onChange({ ...draft, push }); }} />
      <Choice kind="checkbox" label={words.mayTake(host)} checked={draft.take} onChange={(take) => { onChange({ ...draft, take }); }} />
      <div class="choices-inner" role="radiogroup" aria-label={words.rights}>
        <Choice kind="radio" name={group} label={words.rightsOfAll} checked={draft.all} onChange={() => { onChange({ ...draft, all: true }); }} />
        <Choice kind="radio" name={group} label={words.rightsOfSome} checked={!draft.all} onChange={() => { onChange({ ...draft, all: false }); }} />
        {draft.all ? null : (
          <TextField
            label={words.rightsList}
            hint={words.rightsListHint}
            error={parseNames(draft.names) === null ? words.rightsListError : null}
            value={draft.names}
            onInput={(names) => {
              onChange({ ...draft, names });
            }}
          />
        )}
      </div>
    </fieldset>
  );
}
