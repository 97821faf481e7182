import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { ControlResult } from "../../../../protocol/control.ts";
import { useRepeated } from "../../control/repeat.ts";
import { call } from "../../control/service.ts";
import { estimateText } from "./estimate-text.ts";

const EVERY_MS = 10_000;

/** What moving a workspace to a host would cost just now; nothing while that is not known. */
export function CostNow({ workspace, peer }: { readonly workspace: string; readonly peer: string }): JSX.Element | null {
  const answer = useSignal<ControlResult<"estimate"> | null>(null);
  useRepeated({ everyMs: EVERY_MS, of: [workspace, peer] }, () => async (signal) => {
    answer.value = await call("estimate", { workspace, peer }, { signal });
  });
  const known = answer.value?.estimate ?? null;
  return known === null ? null : <p class="cost-now">{estimateText({ estimate: known }, peer)}</p>;
}
