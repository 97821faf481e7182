import { writeFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

/**
 * Loaded into a service with --import: how long the event loop is held up at most. Measured in processor time of the main
 * thread between two passes of the loop, so that other programs do not disturb it; keeps that thread busy for it.
 * At SIGUSR2 the longest turns so far are written to the file that HOMEWARD_TURNS names, and forgotten.
 */
const KEPT = 20;

function watch(file: string): void {
  let turns: number[] = [];
  let last = 0;
  const usedMs = (): number => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  const pass = (): void => {
    const now = usedMs();
    const tookMs = now - last;
    last = now;
    if (tookMs > (turns.at(-1) ?? 0) || turns.length < KEPT) turns = [...turns, tookMs].sort((a, b) => b - a).slice(0, KEPT);
    setImmediate(pass);
  };
  process.on("SIGUSR2", () => {
    writeFileSync(file, `${JSON.stringify(turns)}\n`);
    turns = [];
  });
  setImmediate(() => {
    last = usedMs();
    pass();
  });
}

const file = process.env["HOMEWARD_TURNS"];
if (isMainThread && file !== undefined) watch(file);
