import type { JSX } from "preact";
import { Button } from "../../components/button.tsx";
import { Dialog } from "../../components/dialog.tsx";
import { ErrorNotice } from "../../components/notice.tsx";
import { useAction } from "../../control/action.ts";
import { call } from "../../control/service.ts";
import { texts } from "../../texts/texts.ts";

export function PowerOffDialog({ name, onClose }: { readonly name: string; readonly onClose: () => void }): JSX.Element {
  const words = texts.workspaces;
  const action = useAction();
  const pull = async (): Promise<void> => {
    if (await action.run(() => call("power", { workspace: name, action: "off" }))) onClose();
  };
  return (
    <Dialog
      title={words.powerOffTitle(name)}
      onClose={onClose}
      onSubmit={() => void pull()}
      actions={
        <>
          <Button onClick={onClose}>{texts.shell.cancel}</Button>
          <Button look="danger" submits busy={action.busy.value} onClick={() => undefined}>
            {words.powerOff.replace("…", "")}
          </Button>
        </>
      }
    >
      <p>{words.powerOffText}</p>
      <ErrorNotice error={action.error.value} onDismiss={action.dismiss} />
    </Dialog>
  );
}
