import type { JSX } from "preact";
import { Button } from "../../components/button.tsx";
import { Dialog } from "../../components/dialog.tsx";
import { ErrorNotice } from "../../components/notice.tsx";
import { useAction } from "../../control/action.ts";
import { call, status } from "../../control/service.ts";
import { listed, texts } from "../../texts/texts.ts";
import { lookAtHosts } from "./known-hosts.ts";

export function UnpairDialog({ host, onClose }: { readonly host: string; readonly onClose: () => void }): JSX.Element {
  const words = texts.hosts;
  const action = useAction();
  const away = (status.value?.workspaces ?? []).filter(({ owner }) => owner === host).map(({ name }) => name);
  const unpair = async (): Promise<void> => {
    if (!(await action.run(() => call("unpair", { name: host })))) return;
    onClose();
    await lookAtHosts().catch(() => undefined);
  };
  return (
    <Dialog
      title={words.unpairTitle(host)}
      onClose={onClose}
      onSubmit={() => void unpair()}
      actions={
        <>
          <Button onClick={onClose}>{texts.shell.cancel}</Button>
          <Button look="danger" submits busy={action.busy.value} onClick={() => undefined}>
            {words.unpairConfirm}
          </Button>
        </>
      }
    >
      <p>{words.unpairText(host)}</p>
      {away.length === 0 ? null : <p>{words.unpairAway(listed(away), host)}</p>}
      <ErrorNotice error={action.error.value} onDismiss={action.dismiss} />
    </Dialog>
  );
}
