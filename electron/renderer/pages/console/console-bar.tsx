import type { JSX, Ref } from "preact";
import { useEffect } from "preact/hooks";
import type { ServiceStatus, WorkspaceStatus } from "../../../../protocol/control.ts";
import { Button } from "../../components/button.tsx";
import { Icon } from "../../components/icon.tsx";
import { Menu } from "../../components/menu.tsx";
import type { Action } from "../../control/action.ts";
import { call } from "../../control/service.ts";
import { hrefOf } from "../../router.ts";
import { texts } from "../../texts/texts.ts";
import { MigrateButton } from "../workspaces/migrate-button.tsx";
import { RecordingLight } from "../workspaces/recording-light.tsx";
import { SPECIAL_KEYS, type Key } from "./keys.ts";

export interface ConsoleBarProps {
  readonly reference: Ref<HTMLElement>;
  readonly workspace: WorkspaceStatus;
  readonly service: ServiceStatus;
  readonly action: Action;
  readonly fits: boolean;
  readonly onFits: (fits: boolean) => void;
  readonly onFullScreen: () => void;
  readonly onKeys: (keys: readonly Key[]) => void;
  readonly onPaste: () => void;
  readonly onPowerOff: () => void;
}

/** What stands above the screen: how the machine is, and what keyboards and mice cannot do. */
export function ConsoleBar(props: ConsoleBarProps): JSX.Element {
  const { reference, workspace, service, action, fits, onFits, onFullScreen, onKeys, onPaste, onPowerOff } = props;
  const words = texts.console;
  const { name, base, state, recordingPaused } = workspace;
  const busy = action.busy.value;
  useEffect(() => {
    document.title = `${words.title(name)} – ${texts.shell.appName}`;
  }, [name]);
  const act = (work: () => Promise<unknown>): void => void action.run(work);
  return (
    <header class="console-bar" ref={reference}>
      <a class="button quiet only-icon" href={hrefOf()} aria-label={words.back} title={words.back}>
        <Icon name="back" />
      </a>
      <h1>{name}</h1>
      <RecordingLight workspace={workspace} />
      {base === null ? null : (
        <Button
          icon={recordingPaused ? "play" : "eyeOff"}
          title={recordingPaused ? words.resume : words.pauseExplained}
          busy={busy}
          onClick={() => {
            act(() => call("record", { workspace: name, action: recordingPaused ? "resume" : "pause" }));
          }}
        >
          {recordingPaused ? words.resume : words.pause}
        </Button>
      )}
      <div class="console-tools">
        <Menu
          label={words.keys}
          icon="keyboard"
          buttonClass="quiet"
          items={SPECIAL_KEYS.map(({ name: text, keys }) => ({
            text: text === "Super" ? words.superKey : text,
            onChoose: () => {
              onKeys(keys);
            },
          }))}
        />
        <Button look="quiet" icon="paste" label={words.paste} onClick={onPaste} />
        <div class="segments" role="group" aria-label={words.size}>
          {([true, false] as const).map((value) => (
            <button
              key={String(value)}
              type="button"
              aria-pressed={fits === value}
              title={value ? words.fitExplained : words.fullSizeExplained}
              onClick={() => {
                onFits(value);
              }}
            >
              {value ? words.fit : words.fullSize}
            </button>
          ))}
        </div>
        <Button look="quiet" icon="expand" label={words.fullScreen} onClick={onFullScreen} />
        <Menu
          label={words.power}
          icon="power"
          buttonClass="quiet"
          items={[
            { text: words.suspend, icon: "pause", onChoose: () => { act(() => call("suspend", { workspace: name })); } },
            { text: texts.workspaces.powerDown, icon: "power", onChoose: () => { act(() => call("power", { workspace: name, action: "powerdown" })); } },
            { text: texts.workspaces.reset, icon: "history", onChoose: () => { act(() => call("power", { workspace: name, action: "reset" })); } },
            { text: texts.workspaces.powerOff, icon: "power", danger: true, onChoose: onPowerOff },
          ]}
        />
        {base !== null && state === "running" && service.peers.length > 0 ? <MigrateButton workspace={workspace} service={service} action={action} /> : null}
      </div>
    </header>
  );
}
