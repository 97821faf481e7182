import type { Point } from "./format.ts";

/** Viewers send pointer positions about as often as the screen shows them. */
const INTERVAL_MS = 1000 / 60;
/** A hand does not move in a straight line: it bows by up to this share of the distance. */
const BOW = 0.08;
/** A distance, in pixels, that takes `moveMs`. */
const TYPICAL_PIXELS = 500;

export interface Waypoint {
  readonly afterMs: number;
  readonly x: number;
  readonly y: number;
}

/** How long a hand takes for this distance: short ways take less time, but not in proportion (Fitts's law, roughly). */
export function moveDuration(from: Point, to: Point, moveMs: number): number {
  const distance = Math.hypot(to[0] - from[0], to[1] - from[1]);
  return distance < 1 ? 0 : moveMs * Math.min(1.4, 0.45 + (0.55 * distance) / TYPICAL_PIXELS);
}

/**
 * The pointer's way, as times since its start and places: slow, fast, slow (minimum jerk, Flash and Hogan 1985:
 * 10t^3 - 15t^4 + 6t^5), slightly bowed; it ends exactly at `to`.
 */
export function pointerPath(from: Point, to: Point, durationMs: number, random: () => number): Waypoint[] {
  if (durationMs <= 0) return [];
  const steps = Math.max(1, Math.round(durationMs / INTERVAL_MS));
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const bow = (random() * 2 - 1) * BOW;
  const path: Waypoint[] = [];
  for (let i = 1; i <= steps; i++) {
    const t = i / steps;
    const along = t * t * t * (10 + t * (6 * t - 15));
    const aside = bow * Math.sin(Math.PI * along);
    path.push({
      afterMs: t * durationMs,
      x: Math.max(0, Math.round(from[0] + dx * along - dy * aside)),
      y: Math.max(0, Math.round(from[1] + dy * along + dx * aside)),
    });
  }
  return path;
}
