import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Hosts } from "../../../../protocol/control.ts";
import { Button } from "../../components/button.tsx";
import { Choice, TextField } from "../../components/field.tsx";
import { HostId } from "../../components/host-id.tsx";
import { ErrorNotice, Notice } from "../../components/notice.tsx";
import { Page } from "../../components/page.tsx";
import { Steps } from "../../components/steps.tsx";
import { useAction } from "../../control/action.ts";
import { call } from "../../control/service.ts";
import { goTo, hrefOf } from "../../router.ts";
import { ago, texts } from "../../texts/texts.ts";
import type { PageParameters } from "../pages.ts";
import { checkAddress, checkId, checkName, probableAddress, rightsOf, type Checked, type RightsDraft } from "./check-pairing.ts";
import { lookAtHosts, useKnownHosts } from "./known-hosts.ts";
import { RightsFields } from "./rights-fields.tsx";
import { DoorNotice } from "./this-host.tsx";

/** What was typed of the other host. */
interface Draft {
  /** Chosen from those that knocked; null: `id` is typed. */
  readonly knocked: string | null;
  readonly id: string;
  readonly name: string;
  readonly address: string;
}

interface OtherProps {
  readonly hosts: Hosts;
  readonly draft: Draft;
  readonly onChange: (draft: Draft) => void;
  readonly onNext: () => void;
}

const errorOf = (checked: Checked): string | null => (checked.kind === "wrong" ? checked.text : null);

/** The first step: which computer it is. */
function OtherHost({ hosts, draft, onChange, onNext }: OtherProps): JSX.Element {
  const words = texts.hosts;
  const id = checkId(draft.knocked ?? draft.id, hosts);
  const [name, address] = [checkName(draft.name), checkAddress(draft.address)];
  const isComplete = [id, name, address].every(({ kind }) => kind === "good");
  return (
    <form
      class="panel form"
      onSubmit={(event) => {
        event.preventDefault();
        if (isComplete) onNext();
      }}
    >
      <p>{words.stepOtherText}</p>
      {hosts.pending.length === 0 ? null : (
        <fieldset class="choices">
          <legend>{words.choose}</legend>
          {hosts.pending.map((pending) => (
            <Choice
              key={pending.id}
              kind="radio"
              name="knocked"
              checked={draft.knocked === pending.id}
              label={
                <>
                  <code class="id-short">{pending.id}</code> <small class="muted">{words.knockedAt(pending.address, ago(pending.seenAt))}</small>
                </>
              }
              onChange={() => {
                onChange({ ...draft, knocked: pending.id, address: draft.address === "" ? probableAddress(pending.address) : draft.address });
              }}
            />
          ))}
          <Choice
            kind="radio"
            name="knocked"
            checked={draft.knocked === null}
            label={words.enterIt}
            onChange={() => {
              onChange({ ...draft, knocked: null });
            }}
          />
        </fieldset>
      )}
      {draft.knocked !== null ? null : (
        <TextField
          label={words.otherId}
          monospaced
          hint={id.kind === "good" ? <span class="good">{id.text}</span> : id.text}
          error={errorOf(id)}
          value={draft.id}
          onInput={(value) => {
            onChange({ ...draft, id: value });
          }}
        />
      )}
      <TextField label={words.otherName} hint={name.text} error={errorOf(name)} value={draft.name} onInput={(value) => { onChange({ ...draft, name: value }); }} />
      <TextField label={words.otherAddress} hint={address.text} error={errorOf(address)} value={draft.address} onInput={(value) => { onChange({ ...draft, address: value }); }} />
      <div class="form-actions">
        <a class="button" href={hrefOf("hosts")}>
          {texts.shell.cancel}
        </a>
        <Button look="primary" submits disabled={!isComplete} onClick={() => undefined}>
          {words.next}
        </Button>
      </div>
    </form>
  );
}

interface CompareProps {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly onBack: () => void;
  readonly onPaired: () => void;
}

/** The second step: a person compares the two IDs, and says what the other host may do. */
function Compare({ id, name, address, onBack, onPaired }: CompareProps): JSX.Element {
  const words = texts.hosts;
  const action = useAction();
  const draft = useSignal<RightsDraft>({ push: true, take: true, all: true, names: "" });
  const rights = rightsOf(draft.value);
  const pair = async (): Promise<void> => {
    if (rights !== null && (await action.run(() => call("pair", { id, name, address, rights })))) onPaired();
  };
  return (
    <form
      class="panel form"
      onSubmit={(event) => {
        event.preventDefault();
        void pair();
      }}
    >
      <p>{words.stepCompareText(name)}</p>
      <HostId id={id} of={name} />
      <RightsFields
        host={name}
        draft={draft.value}
        onChange={(changed) => {
          draft.value = changed;
        }}
      />
      <ErrorNotice error={action.error.value} onDismiss={action.dismiss} />
      <div class="form-actions">
        <Button onClick={onBack}>{words.back}</Button>
        <Button look="primary" submits disabled={rights === null} busy={action.busy.value} onClick={() => undefined}>
          {words.same}
        </Button>
      </div>
    </form>
  );
}

/** What is left to do on the other computer. */
function Paired({ hosts, name }: { readonly hosts: Hosts; readonly name: string }): JSX.Element {
  const words = texts.hosts;
  return (
    <section class="panel form">
      <Notice kind="info">
        <strong>{words.stepDone(name)}</strong>
      </Notice>
      <p>{words.stepDoneText(name)}</p>
      <HostId id={hosts.id} of={hosts.host} />
      <p>
        {words.otherName}: <strong>{hosts.host}</strong>
        {hosts.listen === null ? null : ` · ${words.listens(hosts.listen)}`}
      </p>
      <DoorNotice hosts={hosts} />
      <div class="form-actions">
        <Button look="primary" onClick={() => { goTo("hosts"); }}>
          {words.done}
        </Button>
      </div>
    </section>
  );
}

/** Pairing another computer, in two steps. The route may name one that knocked. */
export function PairPage({ parameters: [knocked] }: PageParameters): JSX.Element {
  const words = texts.hosts;
  const hosts = useKnownHosts();
  const step = useSignal<"other" | "compare" | "done">("other");
  const draft = useSignal<Draft>({ knocked: null, id: "", name: "", address: "" });
  const taken = useRef(false);
  const top = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (hosts === null || taken.current) return;
    taken.current = true;
    const pending = hosts.pending.find(({ id }) => id === knocked);
    if (pending !== undefined) draft.value = { ...draft.value, knocked: pending.id, address: probableAddress(pending.address) };
  }, [hosts]);
  const go = (to: "other" | "compare" | "done"): void => {
    step.value = to;
    top.current?.focus();
  };
  const id = checkId(draft.value.knocked ?? draft.value.id, step.value === "other" ? hosts : null);
  const [name, address] = [checkName(draft.value.name), checkAddress(draft.value.address)];
  const isKnown = id.kind === "good" && name.kind === "good" && address.kind === "good";
  const at = step.value;
  return (
    <Page title={words.pairTitle}>
      <div ref={top} tabIndex={-1} class="steps-top">
        <Steps current={at === "other" ? 0 : at === "compare" ? 1 : 2} names={[words.stepOther, words.stepCompare]} />
      </div>
      {hosts === null ? (
        <p class="muted">{texts.shell.loading}</p>
      ) : at === "compare" && isKnown ? (
        <Compare
          id={id.value}
          name={name.value}
          address={address.value}
          onBack={() => {
            go("other");
          }}
          onPaired={() => {
            go("done");
            void lookAtHosts().catch(() => undefined);
          }}
        />
      ) : at === "done" && name.kind === "good" ? (
        <Paired hosts={hosts} name={name.value} />
      ) : (
        <OtherHost
          hosts={hosts}
          draft={draft.value}
          onChange={(changed) => {
            draft.value = changed;
          }}
          onNext={() => {
            go("compare");
          }}
        />
      )}
    </Page>
  );
}
