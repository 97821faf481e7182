import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { ServiceStatus, WorkspaceStatus } from "../../../../protocol/control.ts";
import { Button } from "../../components/button.tsx";
import { ErrorNotice } from "../../components/notice.tsx";
import { ProgressBar } from "../../components/progress-bar.tsx";
import type { Action } from "../../control/action.ts";
import { serviceState } from "../../control/service.ts";
import { texts } from "../../texts/texts.ts";
import { PowerOffDialog } from "../workspaces/power-off-dialog.tsx";
import { ConsoleBar } from "./console-bar.tsx";
import { PasteDialog } from "./paste-dialog.tsx";
import { press, typeText } from "./typing.ts";
import { Viewer } from "./viewer.ts";

export interface LiveConsoleProps {
  readonly workspace: WorkspaceStatus;
  readonly service: ServiceStatus;
  readonly action: Action;
}

interface Typing {
  readonly done: number;
  readonly total: number;
  readonly stop: AbortController;
}

/** The console of a machine that runs here. */
export function LiveConsole({ workspace, service, action }: LiveConsoleProps): JSX.Element {
  const words = texts.console;
  const { name, log, recordingPaused } = workspace;
  const screen = useRef<HTMLDivElement>(null);
  const bar = useRef<HTMLElement>(null);
  const viewer = useSignal<Viewer | null>(null);
  const fits = useSignal(true);
  const dialog = useSignal<"paste" | "power off" | null>(null);
  const typing = useSignal<Typing | null>(null);
  const isConnected = serviceState.value === "connected";

  useEffect(() => {
    const element = screen.current;
    if (element === null || !isConnected) return undefined;
    const made = new Viewer(element, name, `${words.screen(name)}. ${words.leaveHint}`, () => bar.current?.querySelector("a")?.focus());
    made.fits = fits.value;
    viewer.value = made;
    return () => {
      typing.value?.stop.abort();
      viewer.value = null;
      made.close();
    };
  }, [isConnected, name]);

  const closeDialog = (): void => {
    dialog.value = null;
  };
  const isAsking = dialog.value !== null;
  const wasAsking = useRef(false);
  useEffect(() => {
    // After the dialog has given the focus back to its button.
    if (wasAsking.current && !isAsking) viewer.value?.focus();
    wasAsking.current = isAsking;
  }, [isAsking]);
  const type = async (characters: readonly string[]): Promise<void> => {
    const typist = viewer.value;
    closeDialog();
    if (typist === null) return;
    const stop = new AbortController();
    const onTyped = (done: number): void => {
      typing.value = { done, total: characters.length, stop };
    };
    await typeText(characters, typist.sendKey, { signal: stop.signal, onTyped }).catch(() => undefined);
    typing.value = null;
  };
  const setFits = (value: boolean): void => {
    fits.value = value;
    if (viewer.value !== null) viewer.value.fits = value;
  };
  const state = viewer.value?.state.value ?? "connecting";
  return (
    <div class="console">
      <ConsoleBar
        reference={bar}
        workspace={workspace}
        service={service}
        action={action}
        fits={fits.value}
        onFits={setFits}
        onFullScreen={() => {
          void screen.current?.requestFullscreen().then(() => viewer.value?.focus(), () => undefined);
        }}
        onKeys={(keys) => {
          if (viewer.value !== null) press(viewer.value.sendKey, keys);
          viewer.value?.focus();
        }}
        onPaste={() => {
          dialog.value = "paste";
        }}
        onPowerOff={() => {
          dialog.value = "power off";
        }}
      />
      <ErrorNotice error={action.error.value} onDismiss={action.dismiss} />
      {typing.value === null ? null : (
        <div class="console-typing">
          <span role="status">{words.typing(typing.value.done, typing.value.total)}</span>
          <ProgressBar label={words.typingProgress} done={typing.value.done} total={typing.value.total} />
          <Button onClick={() => typing.value?.stop.abort()}>{words.stopTyping}</Button>
        </div>
      )}
      <div class={`console-screen${fits.value ? "" : " full-size"}${recordingPaused ? " private" : ""}`}>
        <div class="console-canvas" ref={screen} />
        {state === "connected" ? null : (
          <p class="console-wait" role="status">
            {state === "again" ? words.again : words.connecting}
          </p>
        )}
      </div>
      <p class="console-foot">
        <span>{words.leaveHint}</span>
        {recordingPaused ? (
          <strong role="status" class="private-now">
            {words.privateNow}
          </strong>
        ) : null}
      </p>
      {dialog.value === "paste" ? <PasteDialog isRecorded={log?.recording === true && !recordingPaused} onType={(characters) => void type(characters)} onClose={closeDialog} /> : null}
      {dialog.value === "power off" ? <PowerOffDialog name={name} onClose={closeDialog} /> : null}
    </div>
  );
}
