import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { ControlResult, WorkspaceStatus } from "../../../../protocol/control.ts";
import { Button } from "../../components/button.tsx";
import { Dialog } from "../../components/dialog.tsx";
import { SelectField } from "../../components/field.tsx";
import { ErrorNotice } from "../../components/notice.tsx";
import { useAction } from "../../control/action.ts";
import { call } from "../../control/service.ts";
import { goTo } from "../../router.ts";
import { texts } from "../../texts/texts.ts";
import { beginMove, isWay, WAYS, type Way } from "./begin-move.ts";
import { estimateText } from "./estimate-text.ts";
import { layDown } from "./lay-down.ts";

export interface MigrateDialogProps {
  readonly workspace: WorkspaceStatus;
  readonly peer: string;
  readonly onClose: () => void;
}

/** What moving it now would cost, and the way there; to a host that does not hold its base, that is laid down first. */
export function MigrateDialog({ workspace, peer, onClose }: MigrateDialogProps): JSX.Element {
  const words = texts.move;
  const { name } = workspace;
  const action = useAction();
  const answer = useSignal<ControlResult<"estimate"> | null>(null);
  const isLacking = useSignal(false);
  const way = useSignal<Way>("time");
  useEffect(() => {
    call("estimate", { workspace: name, peer }).then(
      (known) => {
        answer.value = known;
      },
      () => {
        answer.value = { estimate: null };
      },
    );
    call("check", { workspace: name, peer, purpose: "migration" }).then(
      ({ missing }) => {
        isLacking.value = missing.some(({ code }) => code === "NOT_FOUND");
      },
      // Whatever keeps it from being asked, the move itself will say.
      () => undefined,
    );
  }, [name, peer]);
  const move = async (): Promise<void> => {
    if (isLacking.value) {
      layDown(workspace, peer);
      onClose();
    } else if (await action.run(() => beginMove(name, peer, way.value))) goTo("move", name);
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
          <Button look="primary" icon={isLacking.value ? "hosts" : "home"} submits busy={action.busy.value} onClick={() => undefined}>
            {isLacking.value ? texts.layDown.on(peer) : words.confirm}
          </Button>
        </>
      }
    >
      <p class="estimate" role="status">
        {isLacking.value ? texts.layDown.lacking(peer) : estimateText(answer.value, peer)}
      </p>
      <p>{isLacking.value ? texts.layDown.lackingText : words.dialogText}</p>
      {isLacking.value ? null : (
        <SelectField
          label={words.way}
          value={way.value}
          options={(Object.keys(WAYS) as Way[]).map((value) => ({ value, text: words.ways[value] }))}
          disabled={action.busy.value}
          onChange={(value) => {
            if (isWay(value)) way.value = value;
          }}
        />
      )}
      <ErrorNotice error={action.error.value} onDismiss={action.dismiss} />
    </Dialog>
  );
}
