import type { Session, SessionStep } from "./format.ts";

/** Pressing shift and letting go of it takes this share of a key's time more. */
export const SHIFT_SHARE = 0.4;
/** From the end of a movement to the press, and from press to release; between the clicks of a double click. */
export const CLICK_MS = { settle: 110, hold: 80, between: 90 } as const;
/** Between two notches of the wheel. */
export const NOTCH_MS = 70;
/** How long a screen goes on changing before it is still, as a guess. */
const BUSY_MS = 1500;

/** How long a step takes, in milliseconds, without the pause before it. */
function stepMs(step: SessionStep, session: Session): number {
  const { key_ms: keyMs, move_ms: moveMs } = session.pace;
  const click = CLICK_MS.settle + CLICK_MS.hold;
  if (step.type !== undefined) {
    const shifted = step.type.match(/[A-Z~!@#$%^&*()_+{}|:"<>?]/g)?.length ?? 0;
    return keyMs * (step.type.length + shifted * SHIFT_SHARE);
  }
  if (step.keys !== undefined) return keyMs * (1 + SHIFT_SHARE);
  if (step.click !== undefined) return moveMs + click;
  if (step.double !== undefined) return moveMs + click + CLICK_MS.between + CLICK_MS.hold;
  if (step.drag !== undefined) return 2 * (moveMs + click);
  if (step.scroll !== undefined) return moveMs + Math.abs(step.scroll.by) * NOTCH_MS;
  if (step.wait !== undefined) return step.wait * 1000;
  return (step.wait_still?.seconds ?? 0) * 1000 + BUSY_MS;
}

/** How long each step of a session takes with the pause before it, in milliseconds. */
export function estimateSteps(session: Session): number[] {
  return session.steps.map((step) => {
    const waits = step.wait !== undefined || step.wait_still !== undefined;
    return stepMs(step, session) + (waits ? 0 : session.pace.pause_ms);
  });
}

/** How long playing the session takes, in milliseconds; waiting for a still screen is a guess. */
export function estimateSession(session: Session): number {
  return estimateSteps(session).reduce((sum, ms) => sum + ms, 0);
}
