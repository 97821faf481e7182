import { writeFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

/**
 * Loaded into a service with --import: how long the event loop is held up at most. Measured in processor time of the main
 * thread between two looks a millisecond apart, so that other programs do not disturb it: a turn, and what little came just
 * before it. A look at every pass would keep the thread busy and make garbage, whose collection would be measured.
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
    setTimeout(pass, 1);
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
