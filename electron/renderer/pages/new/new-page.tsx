import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { ProgressUpdate } from "../../../../common/progress.ts";
import type { ImportPlan } from "../../../../protocol/import.ts";
import { Button } from "../../components/button.tsx";
import { TextField } from "../../components/field.tsx";
import { ErrorNotice, Notice } from "../../components/notice.tsx";
import { Page } from "../../components/page.tsx";
import { ProgressBar } from "../../components/progress-bar.tsx";
import { useAction } from "../../control/action.ts";
import { call, status } from "../../control/service.ts";
import { goTo, hrefOf } from "../../router.ts";
import { texts } from "../../texts/texts.ts";
import { nameAfter, nameError, pathError, settingsOf, type Changes } from "./import-draft.ts";
import { PlanFields } from "./plan-fields.tsx";
import { SourceFields, type Source } from "./source-fields.tsx";

/** How far the making is, and its end at any moment. */
function Making(props: { readonly name: string; readonly update: ProgressUpdate | null; readonly onCancel: () => void }): JSX.Element {
  const { name, update, onCancel } = props;
  const title = texts.create.making(name);
  return (
    <div class="moving">
      <div class="moving-text">
        <strong>{title}</strong>
        <span>{update === null ? "" : (texts.workspaces.phases[update.phase] ?? update.phase)}</span>
      </div>
      <ProgressBar label={title} done={update?.done ?? 0} total={update?.total} />
      <Button onClick={onCancel}>{texts.shell.cancel}</Button>
    </div>
  );
}

function Made({ name }: { readonly name: string }): JSX.Element {
  const words = texts.create;
  return (
    <section class="panel form">
      <Notice kind="info">
        <p>
          <strong>{words.done(name)}</strong>
        </p>
        <p>{words.doneText}</p>
      </Notice>
      <div class="form-actions">
        <Button look="primary" onClick={() => { goTo("workspaces"); }}>
          {words.toWorkspaces}
        </Button>
      </div>
    </section>
  );
}

/** Makes a workspace of a disk image, a guest's folder or an exported generation, on the service's host. */
export function NewPage(): JSX.Element {
  const words = texts.create;
  const source = useSignal<Source>({ kind: "image", path: "" });
  const typedName = useSignal<string | null>(null);
  const changes = useSignal<Changes>({});
  const plan = useSignal<ImportPlan | null>(null);
  const step = useSignal<"choose" | "making" | "made">("choose");
  const progress = useSignal<ProgressUpdate | null>(null);
  const isStopped = useSignal(false);
  const looking = useAction();
  const making = useAction();
  const stop = useRef<AbortController | null>(null);
  const lookStop = useRef<AbortController | null>(null);
  useEffect(
    () => () => {
      lookStop.current?.abort();
    },
    [],
  );

  const { kind, path } = source.value;
  const name = typedName.value ?? nameAfter(path);
  const wrongName = nameError(name, step.value === "choose" ? (status.value?.workspaces ?? []) : []);
  const isNamed = name !== "" && wrongName === null;
  const isSourced = path !== "" && pathError(path) === null;
  const settings = settingsOf(changes.value);

  /** Has the service look at the image with these changes; only the newest look counts. */
  const look = (changed: Changes): void => {
    const asked = settingsOf(changed);
    if (asked === null || !isNamed || !isSourced) return;
    lookStop.current?.abort();
    const abort = new AbortController();
    lookStop.current = abort;
    void looking.run(async () => {
      const answer = await call("import", { workspace: name, image: path, ...asked, dryRun: true }, { signal: abort.signal });
      plan.value = answer.plan;
    });
  };
  const make = async (): Promise<void> => {
    // A look that leaving a field began: the making finds out the same.
    lookStop.current?.abort();
    const abort = new AbortController();
    stop.current = abort;
    isStopped.value = false;
    progress.value = null;
    step.value = "making";
    const options = {
      signal: abort.signal,
      onProgress: (update: ProgressUpdate) => {
        progress.value = update;
      },
    };
    const isMade = await making.run(() =>
      kind === "image" ? call("import", { workspace: name, image: path, ...settings }, options) : call("create", { workspace: name, from: path }, options),
    );
    isStopped.value = !isMade && abort.signal.aborted;
    step.value = isMade ? "made" : "choose";
  };
  if (step.value === "made")
    return (
      <Page title={words.title}>
        <Made name={name} />
      </Page>
    );
  const isMaking = step.value === "making";
  const isReady = kind === "folder" || plan.value !== null;
  return (
    <Page title={words.title}>
      <form
        class="panel form"
        onSubmit={(event) => {
          event.preventDefault();
          if (!isNamed || !isSourced || isMaking) return;
          if (isReady && settings !== null && looking.error.value === null) void make();
          else look(changes.value);
        }}
      >
        <SourceFields
          source={source.value}
          disabled={isMaking}
          onChange={(changed) => {
            source.value = changed;
            plan.value = null;
            changes.value = {};
            looking.dismiss();
            making.dismiss();
          }}
        />
        <TextField
          label={words.name}
          hint={words.nameHint}
          error={wrongName}
          value={name}
          disabled={isMaking}
          onInput={(value) => {
            typedName.value = value;
          }}
        />
        <ErrorNotice error={looking.error.value} onDismiss={looking.dismiss} />
        {plan.value === null ? null : (
          <section class="panels" aria-label={words.settings}>
            <h2>{words.settings}</h2>
            <p>{words.settingsText}</p>
            <PlanFields
              plan={plan.value}
              changes={changes.value}
              disabled={isMaking}
              onChange={(changed, isWhole) => {
                changes.value = changed;
                if (isWhole) look(changed);
              }}
            />
          </section>
        )}
        <ErrorNotice error={making.error.value} onDismiss={making.dismiss} />
        {isStopped.value ? <Notice kind="info">{words.cancelled}</Notice> : null}
        {isMaking ? (
          <Making
            name={name}
            update={progress.value}
            onCancel={() => {
              stop.current?.abort();
            }}
          />
        ) : (
          <div class="form-actions">
            <a class="button" href={hrefOf("workspaces")}>
              {texts.shell.cancel}
            </a>
            <Button
              look="primary"
              submits
              disabled={!isNamed || !isSourced || (isReady && settings === null)}
              busy={!isReady && looking.busy.value}
              onClick={() => undefined}
            >
              {isReady && looking.error.value === null ? words.make : words.look}
            </Button>
          </div>
        )}
      </form>
    </Page>
  );
}
