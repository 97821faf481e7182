import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { PairedHost } from "../../../../protocol/control.ts";
import { Button } from "../../components/button.tsx";
import { Dialog } from "../../components/dialog.tsx";
import { TextField } from "../../components/field.tsx";
import { ErrorNotice } from "../../components/notice.tsx";
import { useAction } from "../../control/action.ts";
import { call } from "../../control/service.ts";
import { texts } from "../../texts/texts.ts";
import { checkAddress, draftOf, rightsOf } from "./check-pairing.ts";
import { lookAtHosts } from "./known-hosts.ts";
import { RightsFields } from "./rights-fields.tsx";

/** Other rights, or another address, for a host that is paired already. */
export function RightsDialog({ host, onClose }: { readonly host: PairedHost; readonly onClose: () => void }): JSX.Element {
  const words = texts.hosts;
  const { name, id } = host;
  const draft = useSignal(draftOf(host.rights));
  const typedAddress = useSignal(host.address);
  const action = useAction();
  const rights = rightsOf(draft.value);
  const address = checkAddress(typedAddress.value);
  const save = async (): Promise<void> => {
    if (rights === null || address.kind !== "good") return;
    if (!(await action.run(() => call("pair", { id, address: address.value, name, rights })))) return;
    onClose();
    await lookAtHosts().catch(() => undefined);
  };
  return (
    <Dialog
      title={words.changeRightsTitle(name)}
      onClose={onClose}
      onSubmit={() => void save()}
      actions={
        <>
          <Button onClick={onClose}>{texts.shell.cancel}</Button>
          <Button look="primary" submits disabled={rights === null || address.kind !== "good"} busy={action.busy.value} onClick={() => undefined}>
            {words.save}
          </Button>
        </>
      }
    >
      <RightsFields
        host={name}
        draft={draft.value}
        onChange={(changed) => {
          draft.value = changed;
        }}
      />
      <TextField
        label={words.otherAddress}
        hint={words.otherAddressHint}
        error={address.kind === "wrong" ? address.text : null}
        value={typedAddress.value}
        onInput={(value) => {
          typedAddress.value = value;
        }}
      />
      <ErrorNotice error={action.error.value} onDismiss={action.dismiss} />
    </Dialog>
  );
}
