import type { Checkpoint, InputEvent } from "../../protocol/input-log.ts";

/** A small deterministic pseudo-random source: numbers from 0 to below `limit`. */
export function randomSource(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

export function checkpoint(
  cells: readonly (readonly [number, number])[],
  volatile: readonly number[] = [],
  width = 64,
  height = 48,
): Checkpoint {
  return { width, height, cells: new Map(cells), volatile, ageMs: 17 };
}

/** Events of every kind, with random values inside their bounds. */
export function randomEvents(count: number, seed: number): InputEvent[] {
  const random = randomSource(seed);
  const events: InputEvent[] = [];
  let atMs = 0;
  while (events.length < count) {
    atMs += random(3) === 0 ? random(100_000) : random(40);
    const kind = random(10);
    if (kind < 3)
      events.push({ atMs, kind: "key", down: random(2) === 0, keysym: random(2 ** 32), keycode: random(65536) });
    else if (kind < 6) events.push({ atMs, kind: "pointer", x: random(65536), y: random(65536), buttons: random(256) });
    else if (kind < 8) {
      const cells = new Map<number, number>();
      for (let cell = random(5); cell < 600 && random(40) > 0; cell += 1 + random(3)) cells.set(cell, random(256));
      const volatile = [...cells.keys()].filter(() => random(4) === 0);
      events.push({ atMs, kind: "checkpoint", checkpoint: { width: 640, height: 240, cells, volatile, ageMs: random(5000) } });
    } else if (kind === 8) events.push({ atMs, kind: "power", action: "guest-reset" });
    else if (random(2) === 0) events.push({ atMs, kind: "network", connections: random(100) });
    else events.push({ atMs, kind: "mark", mark: "record-pause" });
  }
  return events;
}

export const ONE_OF_EACH: readonly InputEvent[] = [
  { atMs: 5, kind: "checkpoint", checkpoint: checkpoint([[0, 10], [1, 20], [2, 30], [11, 255]], [1, 2, 7]) },
  { atMs: 5, kind: "key", down: true, keysym: 0x61, keycode: 0x1e },
  { atMs: 90, kind: "key", down: false, keysym: 0x61, keycode: 0x1e },
  { atMs: 300, kind: "key", down: true, keysym: 0xffffffff, keycode: 0 },
  { atMs: 1000, kind: "pointer", x: 100, y: 200, buttons: 0 },
  { atMs: 1020, kind: "pointer", x: 90, y: 205, buttons: 1 },
  { atMs: 1040, kind: "pointer", x: 0, y: 65535, buttons: 1 },
  { atMs: 2000, kind: "power", action: "host-reset" },
  { atMs: 2000, kind: "network", connections: 3 },
  { atMs: 86_400_000, kind: "mark", mark: "record-resume" },
];
