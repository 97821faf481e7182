import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { ProgressUpdate } from "../../../../common/progress.ts";
import { PhaseTimes } from "../../../../common/time-left.ts";
import type { WorkspaceStatus } from "../../../../protocol/control.ts";
import { Button } from "../../components/button.tsx";
import { ErrorNotice } from "../../components/notice.tsx";
import { ProgressBar } from "../../components/progress-bar.tsx";
import { texts } from "../../texts/texts.ts";
import { endLayDown, layDown } from "./lay-down.ts";
import { bytesText } from "./step-text.ts";

const BEGINS: ProgressUpdate = { phase: "connect", done: 0, unit: "steps" };

/** How far a workspace's generation has got on its way to another host, or why it does not get there; else nothing. */
export function LayingDown({ workspace }: { readonly workspace: WorkspaceStatus }): JSX.Element | null {
  const words = texts.layDown;
  const { name, layDown: underWay } = workspace;
  const times = useRef(new PhaseTimes());
  if (underWay === null) return null;
  const { peer, progress, error } = underWay;
  const end = (): void => {
    endLayDown(workspace);
  };
  if (error !== null)
    return (
      <>
        <ErrorNotice error={error} onDismiss={end} />
        <div>
          <Button label={`${words.goOn}: ${name}`} onClick={() => { layDown(workspace, peer); }}>
            {words.goOn}
          </Button>
        </div>
      </>
    );
  const update = (progress as ProgressUpdate | null) ?? BEGINS;
  const leftMs = times.current.note(update, performance.now());
  return (
    <div class="moving">
      <div class="moving-text">
        <strong>{words.title(peer)}</strong>
        <span>{bytesText(update, leftMs)}</span>
      </div>
      <ProgressBar label={words.title(peer)} done={update.done} total={update.total} />
      <Button title={words.cancelExplained} onClick={end}>
        {words.cancel}
      </Button>
      <p class="muted moving-text">{words.keepOpen}</p>
    </div>
  );
}
