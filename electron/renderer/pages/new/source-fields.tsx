import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useId } from "preact/hooks";
import { Button } from "../../components/button.tsx";
import { Choice, TextField } from "../../components/field.tsx";
import { status } from "../../control/service.ts";
import { texts } from "../../texts/texts.ts";
import { FileChooser } from "./file-chooser.tsx";
import { pathError } from "./import-draft.ts";

export interface Source {
  readonly kind: "image" | "folder";
  readonly path: string;
}

export interface SourceFieldsProps {
  readonly source: Source;
  readonly onChange: (source: Source) => void;
  readonly disabled: boolean;
}

/** The desktop app's own verbs; a browser has none, and its files are perhaps not those of the service's host. */
const app = window.homeward;

/** What a workspace is made of: typed, chosen on the service's host, or, in the app, chosen or dropped here. */
export function SourceFields({ source, onChange, disabled }: SourceFieldsProps): JSX.Element {
  const words = texts.create;
  const { kind, path } = source;
  const group = useId();
  const isChoosing = useSignal(false);
  const isOver = useSignal(false);
  const problem = useSignal<string | null>(null);
  const take = (chosen: string): void => {
    problem.value = null;
    isChoosing.value = false;
    onChange({ kind, path: chosen });
  };
  const chooseInApp = async (): Promise<void> => {
    const answer = await app?.chooseImage();
    if (answer === undefined) return;
    if (!answer.ok) problem.value = answer.message;
    else if (answer.value !== null) take(answer.value);
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    isOver.value = false;
    const file = event.dataTransfer?.files[0];
    if (file === undefined || app === undefined) return;
    const dropped = app.pathOf(file);
    if (dropped === "") problem.value = words.dropForeign;
    else take(dropped);
  };
  return (
    <>
      <fieldset class="choices">
        <legend>{words.from}</legend>
        {(["image", "folder"] as const).map((each) => (
          <Choice
            key={each}
            kind="radio"
            name={group}
            label={each === "image" ? words.fromImage : words.fromFolder}
            checked={kind === each}
            disabled={disabled}
            onChange={() => {
              onChange({ kind: each, path: "" });
            }}
          />
        ))}
      </fieldset>
      <div class="field-row">
        <TextField
          label={kind === "image" ? words.image : words.folder}
          hint={words.pathHint(status.value?.host ?? "")}
          error={problem.value ?? pathError(path)}
          monospaced
          value={path}
          disabled={disabled}
          onInput={take}
        />
        <Button disabled={disabled} onClick={() => { isChoosing.value = true; }}>
          {words.browse}
        </Button>
      </div>
      {app === undefined || kind !== "image" ? null : (
        <div
          class={`dropzone${isOver.value ? " over" : ""}`}
          onDragOver={(event) => {
            event.preventDefault();
            isOver.value = true;
          }}
          onDragLeave={() => {
            isOver.value = false;
          }}
          onDrop={drop}
        >
          <Button onClick={() => void chooseInApp()}>{words.chooseFile}</Button> {words.drop}
        </div>
      )}
      {isChoosing.value ? (
        <FileChooser
          kind={kind}
          dir={pathError(path) !== null || path === "" ? null : kind === "folder" ? path : path.replace(/\/[^/]*$/, "") || "/"}
          onChoose={take}
          onClose={() => {
            isChoosing.value = false;
          }}
        />
      ) : null}
    </>
  );
}
