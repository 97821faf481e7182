import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { WorkspaceStatus } from "../../../../protocol/control.ts";
import { Button } from "../../components/button.tsx";
import { Dialog } from "../../components/dialog.tsx";
import { ErrorNotice } from "../../components/notice.tsx";
import { useAction } from "../../control/action.ts";
import { call } from "../../control/service.ts";
import { listed, texts } from "../../texts/texts.ts";

/** Deletes only for who types the workspace's name: nobody does that by mistake. */
export function DeleteDialog({ workspace, onClose }: { readonly workspace: WorkspaceStatus; readonly onClose: () => void }): JSX.Element {
  const words = texts.workspaces;
  const { name, owner, generation } = workspace;
  const typed = useSignal("");
  const action = useAction();
  const isConfirmed = typed.value.trim() === name;
  const remove = async (): Promise<void> => {
    if (isConfirmed && (await action.run(() => call("delete", { workspace: name })))) onClose();
  };
  const inputId = `delete-${name}`;
  return (
    <Dialog
      title={words.deleteTitle(name)}
      onClose={onClose}
      onSubmit={() => void remove()}
      actions={
        <>
          <Button onClick={onClose}>{texts.shell.cancel}</Button>
          <Button look="danger" submits disabled={!isConfirmed} busy={action.busy.value} onClick={() => undefined}>
            {words.deleteConfirm}
          </Button>
        </>
      }
    >
      <p>{owner === "here" ? words.deleteText : words.deleteAwayText(owner)}</p>
      {owner === "here" && generation !== null && generation.holders.length > 0 ? (
        <p class="muted">{words.deleteHolders(listed(generation.holders))}</p>
      ) : null}
      <label class="field" htmlFor={inputId}>
        <span>{words.deleteType(name)}</span>
        <input
          id={inputId}
          type="text"
          autocomplete="off"
          spellcheck={false}
          value={typed.value}
          onInput={(event) => {
            typed.value = event.currentTarget.value;
          }}
        />
      </label>
      <ErrorNotice error={action.error.value} onDismiss={action.dismiss} />
    </Dialog>
  );
}
