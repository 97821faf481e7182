import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { texts } from "../texts/texts.ts";
import { Button } from "./button.tsx";

/** Puts a text on the clipboard, and says that it did. `children`: its words, if it is not to be an icon only. */
export function CopyButton(props: { readonly text: () => string; readonly label?: string; readonly children?: string }): JSX.Element {
  const copied = useSignal(false);
  const { label = texts.shell.copy, children } = props;
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(props.text());
    copied.value = true;
    setTimeout(() => {
      copied.value = false;
    }, 2000);
  };
  return (
    <Button
      look={children === undefined ? "quiet" : "normal"}
      icon={copied.value ? "check" : "copy"}
      {...(children === undefined ? { label: copied.value ? texts.shell.copied : label } : {})}
      onClick={() => void copy()}
    >
      {children === undefined ? undefined : copied.value ? texts.shell.copied : children}
    </Button>
  );
}
