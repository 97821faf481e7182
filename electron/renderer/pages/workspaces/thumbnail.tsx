import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { WorkspaceStatus } from "../../../../protocol/control.ts";
import { Icon } from "../../components/icon.tsx";
import { usePicture } from "../../control/picture.ts";
import { texts } from "../../texts/texts.ts";
import { noScreenText } from "./describe.ts";

/** The last picture of each workspace, for the page of its move; nothing of a private moment is among them. */
export const lastPictures = new Map<string, string>();

/** What is on the workspace's screen now, as long as it runs here. */
export function Thumbnail({ workspace }: { readonly workspace: WorkspaceStatus }): JSX.Element {
  const { name, owner, recordingPaused } = workspace;
  const { value } = usePicture({ workspace: name, isLive: owner === "here" && workspace.console !== null && !recordingPaused });
  useEffect(() => {
    if (recordingPaused) lastPictures.delete(name);
    else if (value !== null) lastPictures.set(name, value);
  }, [value, name, recordingPaused]);
  return (
    <div class="thumbnail">
      {value === null ? (
        <div class="no-screen">
          <Icon name={recordingPaused && owner === "here" ? "eyeOff" : "screen"} />
          <span>{noScreenText(workspace)}</span>
        </div>
      ) : (
        <img src={value} alt={texts.workspaces.screenOf(name)} />
      )}
    </div>
  );
}
