import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";

interface FieldProps {
  readonly label: string;
  /** Below it, e.g. what it is for or where its value comes from. */
  readonly hint?: ComponentChildren;
  /** What is wrong with it, instead of the hint; read out at once. */
  readonly error?: string | null;
}

export interface TextFieldProps extends FieldProps {
  readonly value: string;
  readonly onInput: (value: string) => void;
  /** The user has left it, or pressed Enter. */
  readonly onChange?: (value: string) => void;
  readonly type?: "text" | "number";
  readonly placeholder?: string;
  /** For IDs and paths. */
  readonly monospaced?: boolean;
  readonly disabled?: boolean;
}

export function TextField({ label, hint, error = null, value, onInput, onChange, ...rest }: TextFieldProps): JSX.Element {
  const { type = "text", placeholder, monospaced = false, disabled = false } = rest;
  const id = useId();
  return (
    <div class="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        type="text"
        inputMode={type === "number" ? "decimal" : "text"}
        class={monospaced ? "monospaced" : undefined}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        value={value}
        placeholder={placeholder}
        disabled={disabled}
        aria-invalid={error !== null}
        aria-describedby={`${id}-note`}
        onInput={(event) => {
          onInput(event.currentTarget.value);
        }}
        onChange={(event) => onChange?.(event.currentTarget.value)}
      />
      <FieldNote id={`${id}-note`} hint={hint} error={error} />
    </div>
  );
}

export interface SelectFieldProps extends FieldProps {
  readonly value: string;
  readonly options: readonly { readonly value: string; readonly text: string }[];
  readonly onChange: (value: string) => void;
  readonly disabled?: boolean;
}

export function SelectField({ label, hint, error = null, value, options, onChange, disabled = false }: SelectFieldProps): JSX.Element {
  const id = useId();
  return (
    <div class="field">
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        value={value}
        disabled={disabled}
        aria-describedby={`${id}-note`}
        onChange={(event) => {
          onChange(event.currentTarget.value);
        }}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.text}
          </option>
        ))}
      </select>
      <FieldNote id={`${id}-note`} hint={hint} error={error} />
    </div>
  );
}

function FieldNote(props: { readonly id: string; readonly hint: ComponentChildren; readonly error: string | null }): JSX.Element {
  return (
    <div id={props.id} class={props.error === null ? "field-hint" : "field-error"} role={props.error === null ? undefined : "alert"}>
      {props.error ?? props.hint}
    </div>
  );
}

export interface ChoiceProps {
  readonly kind: "checkbox" | "radio";
  readonly label: ComponentChildren;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
  /** Of a radio button: those of one name exclude each other. */
  readonly name?: string;
  readonly disabled?: boolean;
}

/** A box or a round button with its words, all of which can be clicked. */
export function Choice({ kind, label, checked, onChange, name, disabled = false }: ChoiceProps): JSX.Element {
  return (
    <label class="choice">
      <input
        type={kind}
        name={name}
        checked={checked}
        disabled={disabled}
        onChange={(event) => {
          onChange(event.currentTarget.checked);
        }}
      />
      <span>{label}</span>
    </label>
  );
}
