import * as decisions from "../../../service/migration/decisions.ts";
import { ORDERS, type Order } from "../../../service/migration/orders.ts";
import { nextDestinationState, nextSourceState } from "../../../service/migration/states.ts";

/** What the service decides by: taken from it as it is, so that a test can break one rule at a time. */
export interface Rules extends Pick<
  typeof decisions,
  "onEpoch" | "verdictOf" | "onVerdict" | "onRelease" | "onTaken" | "mayGoOn" | "sourceAfterRestart" | "destinationAfterRestart" | "destinationAfterBreak"
> {
  readonly nextSourceState: typeof nextSourceState;
  readonly nextDestinationState: typeof nextDestinationState;
  readonly orders: Readonly<Record<Order, readonly string[]>>;
  /** What is synced before the next step. */
  readonly syncs: {
    readonly files: boolean;
    readonly record: boolean;
    /** What a killed service wrote and did not come to sync is read by the next one, which must not act on it before. */
    readonly atStart: boolean;
  };
}

export const SERVICE_RULES: Rules = {
  ...decisions,
  nextSourceState,
  nextDestinationState,
  orders: ORDERS,
  syncs: { files: true, record: true, atStart: true },
};
