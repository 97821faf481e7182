import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { Button } from "../../components/button.tsx";
import { Dialog } from "../../components/dialog.tsx";
import { texts } from "../../texts/texts.ts";
import { MAX_TYPED_CHARACTERS, typeable } from "./typing.ts";

export interface PasteDialogProps {
  readonly isRecorded: boolean;
  readonly onType: (characters: readonly string[]) => void;
  readonly onClose: () => void;
}

/** Text to be typed as keys. It is pasted here by the person: pages may not read the clipboard by themselves. */
export function PasteDialog({ isRecorded, onType, onClose }: PasteDialogProps): JSX.Element {
  const words = texts.console;
  const text = useSignal("");
  const { characters, leftOut } = typeable(text.value);
  const isTooLong = characters.length > MAX_TYPED_CHARACTERS;
  const canType = characters.length > 0 && !isTooLong;
  return (
    <Dialog
      title={words.pasteTitle}
      onClose={onClose}
      onSubmit={() => {
        if (canType) onType(characters);
      }}
      actions={
        <>
          <Button onClick={onClose}>{texts.shell.cancel}</Button>
          <Button look="primary" submits disabled={!canType} onClick={() => undefined}>
            {words.pasteStart}
          </Button>
        </>
      }
    >
      <label class="field" htmlFor="paste-text">
        <span>{words.pasteField}</span>
        <textarea
          id="paste-text"
          rows={6}
          spellcheck={false}
          value={text.value}
          onInput={(event) => {
            text.value = event.currentTarget.value;
          }}
        />
      </label>
      <p class="muted">{words.pasteText}</p>
      {isRecorded ? <p class="muted">{words.pasteRecorded}</p> : null}
      <p role="status">
        {isTooLong ? words.pasteTooLong(MAX_TYPED_CHARACTERS, characters.length) : leftOut.length > 0 ? words.pasteLeftOut(leftOut.slice(0, 20).join(" ")) : ""}
      </p>
    </Dialog>
  );
}
