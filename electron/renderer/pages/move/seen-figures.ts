import { effect, signal } from "@preact/signals";
import { status } from "../../control/service.ts";
import { originsOf, withSample, type Sample } from "./figures.ts";

/** What this tab has seen of each move, by the migration's id; only of those that are under way, and the last one. */
export const seenFigures = signal<ReadonlyMap<string, readonly Sample[]>>(new Map());

effect(() => {
  const moves = (status.value?.workspaces ?? []).flatMap(({ migration }) => (migration === null ? [] : [migration]));
  if (moves.length === 0) return;
  const before = seenFigures.peek();
  const after = new Map<string, readonly Sample[]>();
  for (const move of moves) {
    const atS = Math.max(0, (Date.now() - Date.parse(move.row.startedAt)) / 1000);
    const samples = before.get(move.row.id) ?? [];
    // Before it begins to count, and when it has ended, there are no figures.
    after.set(move.row.id, move.bytes === null ? samples : withSample(samples, { atS, ...originsOf(move) }));
  }
  seenFigures.value = after;
});
