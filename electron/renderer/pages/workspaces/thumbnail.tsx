import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { delay } from "../../../../common/abort.ts";
import type { ControlResult, WorkspaceStatus } from "../../../../protocol/control.ts";
import { Icon } from "../../components/icon.tsx";
import { call, serviceState } from "../../control/service.ts";
import { texts } from "../../texts/texts.ts";
import { noScreenText } from "./describe.ts";

const EVERY_MS = 2000;

/** What is on the workspace's screen now, as long as it runs here; only a picture that has changed is fetched. */
export function Thumbnail({ workspace }: { readonly workspace: WorkspaceStatus }): JSX.Element {
  const { name, owner, recordingPaused } = workspace;
  const picture = useSignal<string | null>(null);
  const isLive = owner === "here" && workspace.console !== null && !recordingPaused && serviceState.value === "connected";
  useEffect(() => {
    if (!isLive) {
      if (serviceState.value === "connected") picture.value = null;
      return undefined;
    }
    const stop = new AbortController();
    const follow = async (): Promise<void> => {
      let unless: string | null = null;
      for (;;) {
        const answer: ControlResult<"thumbnail"> = await call("thumbnail", { workspace: name, unless }, { signal: stop.signal });
        unless = answer.tag;
        if (answer.png !== null) picture.value = `data:image/png;base64,${answer.png}`;
        else if (answer.tag === null) picture.value = null;
        do await delay(EVERY_MS, stop.signal);
        while (document.hidden);
      }
    };
    // Ends with an error when the machine or the service does, which the card shows by itself.
    follow().catch(() => undefined);
    return () => {
      stop.abort();
    };
  }, [isLive, name]);
  return (
    <div class="thumbnail">
      {picture.value === null ? (
        <div class="no-screen">
          <Icon name={recordingPaused && owner === "here" ? "eyeOff" : "screen"} />
          <span>{noScreenText(workspace)}</span>
        </div>
      ) : (
        <img src={picture.value} alt={texts.workspaces.screenOf(name)} />
      )}
    </div>
  );
}
