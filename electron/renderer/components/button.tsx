import type { ComponentChildren, JSX } from "preact";
import { Icon, type IconName } from "./icon.tsx";

export interface ButtonProps {
  readonly onClick: () => void;
  readonly children?: ComponentChildren;
  /** "primary": what one comes here for, once on a card or page. "quiet": no frame. "danger": cannot be undone. */
  readonly look?: "normal" | "primary" | "quiet" | "danger";
  readonly icon?: IconName;
  /** What it does in words, for one that shows only an icon, or whose words do not stand alone. */
  readonly label?: string;
  readonly title?: string;
  readonly disabled?: boolean;
  /** What it began is under way; it cannot be pressed meanwhile. */
  readonly busy?: boolean;
  readonly submits?: boolean;
}

export function Button({ look = "normal", icon, label, children, busy = false, submits = false, ...rest }: ButtonProps): JSX.Element {
  const { onClick, title, disabled = false } = rest;
  return (
    <button
      type={submits ? "submit" : "button"}
      class={`button ${look}${children === undefined ? " only-icon" : ""}`}
      aria-label={label}
      aria-busy={busy}
      title={title ?? (children === undefined ? label : undefined)}
      disabled={disabled || busy}
      onClick={onClick}
    >
      {busy ? <span class="spinner" aria-hidden="true" /> : icon === undefined ? null : <Icon name={icon} />}
      {children}
    </button>
  );
}
