import { Worker } from "node:worker_threads";
import type { FuzzOrder, FuzzReport, FuzzTask } from "./worker.ts";

/** One input may take this long by the clock, on a busy computer. */
const MAX_SILENCE_MS = 120_000;
const LOOK_MS = 1000;
const MAX_HEAP_MIB = 512;

/**
 * Works through tasks in a thread, and ends it when one does not come back from an input or needs too much memory.
 * @returns a report for each parser, in order; that of a parser that ended the thread is its last
 */
export async function runWatched(
  tasks: readonly FuzzTask[],
  { branches }: { readonly branches: boolean },
  maxSilenceMs = MAX_SILENCE_MS,
): Promise<FuzzReport[]> {
  const at = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(new URL("./worker.ts", import.meta.url), {
    workerData: { tasks, branches, at } satisfies FuzzOrder,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB },
  });
  const reports: FuzzReport[] = [];
  const ended = new Promise<string | null>((resolve) => {
    worker.on("message", (report: FuzzReport) => {
      reports.push(report);
    });
    worker.on("error", (error) => {
      resolve(`it ends the thread: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    });
    worker.on("exit", () => {
      resolve(null);
    });
    let [begun, since] = [-1, performance.now()];
    setInterval(() => {
      if (Atomics.load(at, 0) !== begun) [begun, since] = [Atomics.load(at, 0), performance.now()];
      else if (performance.now() - since > maxSilenceMs) resolve("it does not come back");
    }, LOOK_MS).unref();
  });
  const trouble = await ended;
  await worker.terminate();
  const parser = tasks[reports.length]?.parser;
  if (trouble !== null && parser !== undefined) {
    const failure = { index: Atomics.load(at, 1), what: trouble, detail: trouble, input: "" };
    reports.push({ parser, inputs: 0, accepted: 0, refused: 0, failures: [failure], more: 0, branches: null });
  }
  return reports;
}
