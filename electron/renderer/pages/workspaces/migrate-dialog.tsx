import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { ControlResult } from "../../../../protocol/control.ts";
import { Button } from "../../components/button.tsx";
import { Dialog } from "../../components/dialog.tsx";
import { ErrorNotice } from "../../components/notice.tsx";
import { useAction } from "../../control/action.ts";
import { call } from "../../control/service.ts";
import { goTo } from "../../router.ts";
import { texts } from "../../texts/texts.ts";
import { beginMove } from "./begin-move.ts";
import { estimateText } from "./estimate-text.ts";

export interface MigrateDialogProps {
  readonly name: string;
  readonly peer: string;
  readonly onClose: () => void;
}

/** What moving it now would cost, and the way there. */
export function MigrateDialog({ name, peer, onClose }: MigrateDialogProps): JSX.Element {
  const words = texts.move;
  const action = useAction();
  const answer = useSignal<ControlResult<"estimate"> | null>(null);
  useEffect(() => {
    call("estimate", { workspace: name, peer }).then(
      (known) => {
        answer.value = known;
      },
      () => {
        answer.value = { estimate: null };
      },
    );
  }, [name, peer]);
  const move = async (): Promise<void> => {
    if (await action.run(() => beginMove(name, peer))) goTo("move", name);
  };
  const leave = (): void => {
    // The state that it grew from is still being checked; nothing was suspended.
    if (action.busy.value) call("cancel", { workspace: name }).catch(() => undefined);
    onClose();
  };
  return (
    <Dialog
      title={words.dialogTitle(name, peer)}
      onClose={leave}
      onSubmit={() => void move()}
      actions={
        <>
          <Button onClick={leave}>{texts.shell.cancel}</Button>
          <Button look="primary" icon="home" submits busy={action.busy.value} onClick={() => undefined}>
            {words.confirm}
          </Button>
        </>
      }
    >
      <p class="estimate" role="status">
        {estimateText(answer.value, peer)}
      </p>
      <p>{words.dialogText}</p>
      <ErrorNotice error={action.error.value} onDismiss={action.dismiss} />
    </Dialog>
  );
}
