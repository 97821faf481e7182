import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { formatBytes } from "../../../../common/quantities.ts";
import type { Files } from "../../../../protocol/control.ts";
import { Button } from "../../components/button.tsx";
import { Dialog } from "../../components/dialog.tsx";
import { Icon } from "../../components/icon.tsx";
import { ErrorNotice } from "../../components/notice.tsx";
import { useAction } from "../../control/action.ts";
import { call, status } from "../../control/service.ts";
import { texts } from "../../texts/texts.ts";

export interface FileChooserProps {
  /** What is looked for. */
  readonly kind: "image" | "folder";
  /** Where one begins; null: at home. */
  readonly dir: string | null;
  readonly onChoose: (path: string) => void;
  readonly onClose: () => void;
}

const within = (dir: string, name: string): string => `${dir === "/" ? "" : dir}/${name}`;

/** Folders and disk images of the service's host. */
export function FileChooser({ kind, dir, onChoose, onClose }: FileChooserProps): JSX.Element {
  const words = texts.create;
  const files = useSignal<Files | null>(null);
  const action = useAction();
  const list = useRef<HTMLDivElement>(null);
  const open = (path: string | null): void =>
    void action.run(async () => {
      files.value = await call("files", { dir: path });
    });
  useEffect(() => {
    open(dir);
  }, []);
  const it = files.value;
  useEffect(() => {
    // The list is another one: the keyboard goes on at its top.
    list.current?.scrollTo(0, 0);
    list.current?.querySelector("button")?.focus();
  }, [it]);
  const host = status.value?.host ?? "";
  const entries = it?.entries.filter((entry) => kind === "image" || entry.kind === "folder") ?? [];
  return (
    <Dialog
      title={kind === "image" ? words.chooserImage(host) : words.chooserFolder(host)}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{texts.shell.cancel}</Button>
          {kind === "image" ? null : (
            <Button
              look="primary"
              disabled={it === null || it.holds === null}
              onClick={() => {
                if (it !== null) onChoose(it.dir);
              }}
            >
              {words.useFolder}
            </Button>
          )}
        </>
      }
    >
      <p class="path">{it?.dir ?? texts.shell.loading}</p>
      <ErrorNotice error={action.error.value} onDismiss={action.dismiss} />
      <div class="chooser" ref={list}>
        {it === null || it.parent === null ? null : (
          <button type="button" class="chooser-item" onClick={() => { open(it.parent); }}>
            <Icon name="up" />
            <span>{words.up}</span>
          </button>
        )}
        {entries.map(({ name, kind: is, bytes }) => (
          <button
            key={name}
            type="button"
            class="chooser-item"
            onClick={() => {
              if (it === null) return;
              if (is === "folder") open(within(it.dir, name));
              else onChoose(within(it.dir, name));
            }}
          >
            <Icon name={is === "folder" ? "folder" : "disk"} />
            <span>{name}</span>
            {bytes === null ? null : <small>{formatBytes(bytes)}</small>}
          </button>
        ))}
      </div>
      {it === null ? null : entries.length === 0 ? <p class="muted">{words.emptyFolder}</p> : null}
      {it?.more === true ? <p class="muted">{words.moreFiles}</p> : null}
      {it === null || kind === "image" ? null : (
        <p class="muted">{it.holds === null ? words.holdsNothing : it.holds === "guest" ? words.holdsGuest : words.holdsGeneration}</p>
      )}
    </Dialog>
  );
}
