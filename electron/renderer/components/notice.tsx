import type { ComponentChildren, JSX } from "preact";
import { texts } from "../texts/texts.ts";
import { Button } from "./button.tsx";
import { Icon } from "./icon.tsx";

export interface NoticeProps {
  readonly kind: "info" | "warning" | "error";
  readonly children: ComponentChildren;
  readonly onDismiss?: () => void;
}

/** Something the user should know, where it belongs; errors are read out at once. */
export function Notice({ kind, children, onDismiss }: NoticeProps): JSX.Element {
  return (
    <div class={`notice ${kind}`} role={kind === "error" ? "alert" : "status"}>
      <Icon name="warning" />
      <div class="notice-text">{children}</div>
      {onDismiss === undefined ? null : <Button look="quiet" icon="close" label={texts.shell.dismiss} onClick={onDismiss} />}
    </div>
  );
}

/** An error of the service in its own words, with what to do next. */
export function ErrorNotice({ error, onDismiss }: { readonly error: { readonly message: string; readonly hint?: string | null | undefined } | null; readonly onDismiss: () => void }): JSX.Element | null {
  if (error === null) return null;
  return (
    <Notice kind="error" onDismiss={onDismiss}>
      <p>{error.message}</p>
      {error.hint === undefined || error.hint === null ? null : <p class="hint">{error.hint}</p>}
    </Notice>
  );
}
