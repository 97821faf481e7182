import { useSignal, type ReadonlySignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { ControlParams, ControlResult } from "../../../protocol/control.ts";
import { useRepeated } from "./repeat.ts";
import { call, serviceState } from "./service.ts";

const EVERY_MS = 2000;

export interface PictureOptions {
  readonly workspace: string;
  readonly of?: ControlParams<"thumbnail">["of"];
  /** Whether there is one to be had. */
  readonly isLive: boolean;
  /** What stays when there is none any more: nothing, or the last one. */
  readonly after?: "nothing" | "last";
  readonly everyMs?: number;
}

/** A small picture of one of a workspace's screens as a data URL, kept current; only one that has changed is fetched. */
export function usePicture({ workspace, of = "machine", isLive, after = "nothing", everyMs = EVERY_MS }: PictureOptions): ReadonlySignal<string | null> {
  const picture = useSignal<string | null>(null);
  const isConnected = serviceState.value === "connected";
  useEffect(() => {
    if (!isLive && isConnected && after === "nothing") picture.value = null;
  }, [isLive, isConnected]);
  useRepeated({ everyMs, of: [workspace, of], isLive }, () => {
    let unless: string | null = null;
    return async (signal) => {
      const answer: ControlResult<"thumbnail"> = await call("thumbnail", { workspace, of, unless }, { signal });
      unless = answer.tag;
      if (answer.png !== null) picture.value = `data:image/png;base64,${answer.png}`;
      else if (answer.tag === null && after === "nothing") picture.value = null;
    };
  });
  return picture;
}
