import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { texts } from "../texts/texts.ts";
import { Button } from "./button.tsx";

/** Something to type into a terminal, with a button that copies it. */
export function CommandLine({ command }: { readonly command: string }): JSX.Element {
  const copied = useSignal(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(command);
    copied.value = true;
    setTimeout(() => {
      copied.value = false;
    }, 2000);
  };
  return (
    <div class="command">
      <code>{command}</code>
      <Button
        look="quiet"
        icon={copied.value ? "check" : "copy"}
        label={copied.value ? texts.shell.copied : texts.shell.copy}
        onClick={() => void copy()}
      />
    </div>
  );
}
