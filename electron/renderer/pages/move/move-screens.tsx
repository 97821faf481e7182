import type { JSX } from "preact";
import { usePicture } from "../../control/picture.ts";
import { texts } from "../../texts/texts.ts";
import { lastPictures } from "../workspaces/thumbnail.tsx";
import type { Migration } from "./figures.ts";

const EVERY_MS = 1000;

function Picture(props: { readonly title: string; readonly src: string | null; readonly alt: string; readonly isCoarse?: boolean }): JSX.Element {
  const { title, src, alt, isCoarse = false } = props;
  return (
    <figure class={`move-screen${isCoarse ? " coarse" : ""}`}>
      {src === null ? <div class="no-screen">{texts.move.noScreenYet}</div> : <img src={src} alt={alt} />}
      <figcaption>{title}</figcaption>
    </figure>
  );
}

/** Where the replay runs: its screen beside the recorded one that it waits for. */
export function ReplayScreens({ workspace }: { readonly workspace: string }): JSX.Element {
  const words = texts.move;
  const options = { workspace, isLive: true, after: "last", everyMs: EVERY_MS } as const;
  const recorded = usePicture({ ...options, of: "recorded" });
  const twin = usePicture({ ...options, of: "twin" });
  return (
    <section class="panel">
      <h2>{words.screensTitle}</h2>
      <div class="move-screens">
        <Picture title={words.recorded} src={recorded.value} alt={words.recordedAlt} isCoarse />
        <Picture title={words.twin} src={twin.value} alt={words.twinAlt} />
      </div>
    </section>
  );
}

/** On the host that is left the replay is not shown: its pictures would cost bytes of the connection. */
export function LeftScreen({ workspace, migration }: { readonly workspace: string; readonly migration: Migration }): JSX.Element | null {
  const words = texts.move;
  const last = lastPictures.get(workspace);
  if (last === undefined) return null;
  return (
    <section class="panel">
      <div class="move-screens">
        <Picture title={words.leftTitle} src={last} alt={words.leftAlt(workspace)} />
        {migration.row.mode === "replay" ? <p class="muted">{words.leftHint(migration.row.peer)}</p> : null}
      </div>
    </section>
  );
}
