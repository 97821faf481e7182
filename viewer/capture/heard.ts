import { xtOfVirtualCode } from "../keys.ts";
import type { Point } from "../x11/requests.ts";
import type { DisplayInput } from "./window-input.ts";

/** libuiohook's buttons 1 to 3 as bits of RFC 6143 7.5.5; further ones have none. */
const BUTTONS: Readonly<Record<number, number>> = { 1: 1, 2: 4, 3: 2 };
const WHEEL = { vertical: 3, up: 8, down: 16, left: 32, right: 64 } as const;
const TYPE = { keyPressed: 4, keyReleased: 5, buttonPressed: 7, buttonReleased: 8, moved: 9, wheel: 11 } as const;

/** What libuiohook tells, as far as it is of use here. */
export interface HookEvent {
  readonly type: number;
  readonly shiftKey: boolean;
  readonly keycode?: number;
  readonly x?: number;
  readonly y?: number;
  readonly button?: unknown;
  readonly direction?: number;
  readonly rotation?: number;
}

/** What was done on the display: libuiohook has no name for some keys, which are found out later. */
export type Heard =
  | DisplayInput
  | { readonly kind: "unnamed"; readonly down: boolean; readonly shift: boolean };

/**
 * @param offset libuiohook counts pixels from the first output, X from the corner of all of them
 * @returns null for what no guest gets
 */
export function heardFrom(event: HookEvent, offset: Point): Heard | null {
  const at = { x: (event.x ?? 0) + offset.x, y: (event.y ?? 0) + offset.y };
  switch (event.type) {
    case TYPE.keyPressed:
    case TYPE.keyReleased: {
      const [down, shift] = [event.type === TYPE.keyPressed, event.shiftKey];
      const xt = xtOfVirtualCode(event.keycode ?? 0);
      return xt === 0 ? { kind: "unnamed", down, shift } : { kind: "key", down, xt, shift };
    }
    case TYPE.buttonPressed:
    case TYPE.buttonReleased: {
      const button = BUTTONS[Number(event.button)];
      return button === undefined ? null : { kind: "button", down: event.type === TYPE.buttonPressed, button, at };
    }
    case TYPE.moved:
      return { kind: "move", at };
    case TYPE.wheel: {
      const [back, forth] = event.direction === WHEEL.vertical ? [WHEEL.up, WHEEL.down] : [WHEEL.left, WHEEL.right];
      return { kind: "wheel", button: (event.rotation ?? 0) < 0 ? back : forth, at };
    }
    default:
      return null;
  }
}
