import type { JSX } from "preact";
import type { WorkspaceStatus } from "../../../../protocol/control.ts";
import { texts } from "../../texts/texts.ts";
import { lightOf } from "./describe.ts";

/** Whether what one does in a running machine is recorded. */
export function RecordingLight({ workspace }: { readonly workspace: WorkspaceStatus }): JSX.Element | null {
  const words = texts.workspaces;
  const light = lightOf(workspace);
  if (light === null) return null;
  const text = { recording: words.recording, paused: words.recordingPaused, none: words.notRecording }[light];
  const title = light === "recording" ? words.recordingExplained : light === "none" ? words.notRecordingExplained : undefined;
  return (
    <span class={`light ${light}`} title={title}>
      {text}
    </span>
  );
}
